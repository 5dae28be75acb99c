"""TrackingNet test set: only the first boxes are public, results go to the server.

DATA_ROOT holds TEST/."""

test_dataloader = dict(
    batch_size=1,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='TrackingNetDataset', data_root='data/TrackingNet'),
)
test_cfg = dict(type='SOTTestLoop', protocol=dict(type='OPE'))
test_evaluator = dict(type='SubmissionOnly')
