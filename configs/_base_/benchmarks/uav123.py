"""UAV123, one-pass evaluation. DATA_ROOT holds data_seq/ and anno/."""

test_dataloader = dict(
    batch_size=1,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='UAV123Dataset', data_root='data/UAV123'),
)
test_cfg = dict(type='SOTTestLoop', protocol=dict(type='OPE'))
test_evaluator = dict(type='SOTMetric')
