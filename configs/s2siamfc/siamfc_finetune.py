_base_ = ['./siamfc_supervised.py']
# Table 6: the weights of siamfc_supervised.py, fine-tuned for 10 iterations on the first frame of
# each video with the self-supervised loss; for testing only.
# Its other row is model.test_cfg.tuning.iterations=5.
model = dict(
    type='S2SiamFC',
    loss=dict(type='AntiClutterLoss'),
    train_cfg=dict(masks=2),
    test_cfg=dict(tuning=dict(iterations=10, lr=1e-5)),
)
