"""LaSOT test set, one-pass evaluation.

DATA_ROOT holds the categories: airplane/, basketball/ ..."""

test_dataloader = dict(
    batch_size=1,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='LaSOTDataset', data_root='data/LaSOT'),
)
test_cfg = dict(type='SOTTestLoop', protocol=dict(type='OPE'))
test_evaluator = dict(type='SOTMetric')
