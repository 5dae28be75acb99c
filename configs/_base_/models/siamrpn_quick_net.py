"""A SiamRPN small enough to learn and to track on a CPU: six 3x3 layers at stride 8, 48 channels,
no pretrained weights."""

model = dict(
    type='SiamRPN',
    # Statistics of ImageNet: without pretrained weights, raw pixels learn slowly.
    data_preprocessor=dict(
        type='SOTDataPreprocessor', mean=[103.53, 116.28, 123.675], std=[57.375, 57.12, 58.395]
    ),
    backbone=dict(type='SiameseResNet', blocks='basic', stage_blocks=(1, 1, 1), base_channels=16),
    neck=dict(type='AdjustNeck', in_channels=64, out_channels=48),
    rpn_head=dict(type='SiamRPNHead', in_channels=48),
    # After minutes of training the score is flat around the target: a strong window picks an anchor
    # that lies behind in its motion, whose box no loss has taught; sizes that follow fast run away.
    # Chosen on the odd-numbered sequences of docs/results.md.
    test_cfg=dict(type='SiamRPNTracker', penalty_k=0.09, window_influence=0.2, size_lr=0.1),
)
