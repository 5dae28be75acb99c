"""VOT2016, with resets. DATA_ROOT holds list.txt and the sequences.

EAO: mean expected overlap of lengths 108 to 371."""

test_dataloader = dict(
    batch_size=1,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='VOTDataset', data_root='data/VOT2016', metainfo=dict(dataset_name='VOT2016')
    ),
)
test_cfg = dict(type='SOTTestLoop', protocol=dict(type='VOTReset'))
test_evaluator = dict(type='VOTResetMetric', eao_low=108, eao_high=371)
