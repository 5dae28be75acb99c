"""SiamRPN++ on ResNet-50 up to its third stage, 25x25 cells with five anchors, 256 channels
(SiamMask's form of the network)."""

model = dict(
    type='SiamRPN',
    # What ImageNet weights were trained on. Published SiamRPN++ and SiamMask weights want raw BGR
    # pixels (siamrpn_l234.py, siammask_published.py).
    data_preprocessor=dict(
        type='SOTDataPreprocessor',
        mean=[103.53, 116.28, 123.675],
        std=[57.375, 57.12, 58.395],
        bgr_to_rgb=True,
    ),
    backbone=dict(
        type='SiameseResNet',
        # tools/convert_checkpoint.py makes this file from torchvision's weights.
        init_cfg=dict(type='Pretrained', checkpoint='weights/imagenet_siamese_resnet50.pth'),
    ),
    neck=dict(type='AdjustNeck', in_channels=1024, out_channels=256),
    rpn_head=dict(type='SiamRPNHead', in_channels=256),
    anchors=dict(stride=8, ratios=(0.33, 0.5, 1, 2, 3), scales=(8,)),
    test_cfg=dict(type='SiamRPNTracker', penalty_k=0.09, window_influence=0.39, size_lr=0.38),
)
