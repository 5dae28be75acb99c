"""GOT-10k validation set, scored here. DATA_ROOT holds val/."""

test_dataloader = dict(
    batch_size=1,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='GOT10kDataset', data_root='data/GOT-10k', subset='val'),
)
test_cfg = dict(type='SOTTestLoop', protocol=dict(type='GOT10k'))
test_evaluator = dict(type='GOT10kMetric')
