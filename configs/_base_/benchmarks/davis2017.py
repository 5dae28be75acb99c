"""DAVIS 2017 validation set, masks of several objects.

DATA_ROOT holds JPEGImages/, Annotations/ and ImageSets/."""

test_dataloader = dict(
    batch_size=1,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='DAVISDataset', data_root='data/DAVIS', subset='2017'),
)
test_cfg = dict(type='SOTTestLoop', protocol=dict(type='VOS'))
test_evaluator = dict(type='VOSMetric')
