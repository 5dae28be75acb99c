"""USOT's network: ResNet-50 to stage 3 at stride 8, normalised RGB, 256 channels, seven memory
entries."""

model = dict(
    type='USOT',
    # What MoCo-v2 and ImageNet weights were trained on. The release feeds them raw BGR pixels,
    # which its batch norm in train mode half undoes; the published USOT weights want the same
    # (usot/usot_r50_published.py).
    data_preprocessor=dict(
        type='SOTDataPreprocessor',
        mean=[103.53, 116.28, 123.675],
        std=[57.375, 57.12, 58.395],
        bgr_to_rgb=True,
    ),
    backbone=dict(
        type='SiameseResNet',
        blocks='bottleneck',
        stage_blocks=(3, 4, 6),
        base_channels=64,
        # Label-free start; tools/convert_checkpoint.py makes this file from the published MoCo-v2
        # (800 epochs) weights.
        init_cfg=dict(type='Pretrained', checkpoint='weights/moco_v2_800_siamese_resnet50.pth'),
    ),
    neck=dict(type='AdjustNeck', in_channels=1024, out_channels=256),
    head=dict(
        type='USOTHead',
        channels=256,
        memory=dict(type='CycleMemoryNeck'),
        loss_cls=dict(type='BalancedBCELoss'),
        loss_reg=dict(type='LTRBIoULoss'),
    ),
    # Epochs are counted from 0. lambda_1 of Eq. 6 and 9; lambda_1 + lambda_2 = 0.9.
    train_cfg=dict(
        cycle_start_epoch=5,
        naive_cls_weight=0.2,
        cls_weight=[(0, 0.30), (7, 0.275), (9, 0.25)],
        cls_and_memory_weight=0.9,
        forward_cls_ratio=[(0, 0.6), (7, 0.5), (10, 0.4)],
    ),
    test_cfg=dict(
        type='USOTTracker',
        penalty_k=0.021,
        size_lr=0.730,
        window_influence=0.321,
        memory_size=7,
        memory_weight=0.7,
    ),
)
