"""OTB-100, one-pass evaluation. DATA_ROOT holds the unpacked archives: Basketball/, Biker/ ..."""

test_dataloader = dict(
    batch_size=1,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='OTB100Dataset', data_root='data/OTB100'),
)
test_cfg = dict(type='SOTTestLoop', protocol=dict(type='OPE'))
test_evaluator = dict(type='SOTMetric')
