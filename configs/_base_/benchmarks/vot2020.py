"""VOT2020, started from anchors, masks. DATA_ROOT holds list.txt and the sequences.

EAO: lengths 115 to 755."""

test_dataloader = dict(
    batch_size=1,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='VOTDataset', data_root='data/VOT2020', metainfo=dict(dataset_name='VOT2020')
    ),
)
test_cfg = dict(type='SOTTestLoop', protocol=dict(type='VOTMultiStart'))
test_evaluator = dict(type='VOTMultiStartMetric', eao_low=115, eao_high=755)
