"""A USOT small enough to learn and to track on a CPU: six 3x3 layers at stride 8, 48 channels, no
pretrained weights."""

model = dict(
    type='USOT',
    # Statistics of ImageNet: without pretrained weights, raw pixels learn slowly.
    data_preprocessor=dict(
        type='SOTDataPreprocessor', mean=[103.53, 116.28, 123.675], std=[57.375, 57.12, 58.395]
    ),
    backbone=dict(type='SiameseResNet', blocks='basic', stage_blocks=(1, 1, 1), base_channels=16),
    neck=dict(type='AdjustNeck', in_channels=64, out_channels=48),
    head=dict(
        type='USOTHead',
        channels=48,
        tower_depth=2,
        initial_distance_px=32.0,
        memory=dict(type='CycleMemoryNeck'),
    ),
    train_cfg=dict(
        cycle_start_epoch=6,
        naive_cls_weight=0.2,
        cls_weight=0.25,
        forward_cls_ratio=[(0, 0.6), (8, 0.5)],
        label_rounding='nearest',
    ),
    # The release's w = 0.7 trusts a memory branch of 25 epochs; this one has learnt for a few
    # hundred steps (docs/results.md).
    test_cfg=dict(type='USOTTracker', memory_weight=0.4),
)
