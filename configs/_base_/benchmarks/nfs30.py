"""Need for Speed at 30 frames per second, one-pass evaluation.

DATA_ROOT holds the unpacked archives: airboard_1/ ..."""

test_dataloader = dict(
    batch_size=1,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='NFSDataset', data_root='data/NfS', subset='30'),
)
test_cfg = dict(type='SOTTestLoop', protocol=dict(type='OPE'))
test_evaluator = dict(type='SOTMetric')
