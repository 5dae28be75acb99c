"""Temple-Color 128, one-pass evaluation. DATA_ROOT holds the sequences: Airport_ce/ ..."""

test_dataloader = dict(
    batch_size=1,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='TColor128Dataset', data_root='data/Temple-color-128'),
)
test_cfg = dict(type='SOTTestLoop', protocol=dict(type='OPE'))
test_evaluator = dict(type='SOTMetric')
