"""One-pass evaluation over a folder of annotated sequences: ``<sequence>/img/*.jpg`` and
``groundtruth.txt`` (x, y, w, h, 0-based)."""

test_dataloader = dict(
    batch_size=1,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='SequenceFolderDataset', data_root='data/sequences'),
)
test_cfg = dict(type='SOTTestLoop')
test_evaluator = dict(type='SOTMetric')
