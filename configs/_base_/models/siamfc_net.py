"""SiamFC with AlexNet, batch norm on the response; its published tracker with three scales."""

model = dict(
    type='SiamFC',
    # Statistics of ImageNet: there are no pretrained weights that want raw pixels.
    data_preprocessor=dict(
        type='SOTDataPreprocessor', mean=[103.53, 116.28, 123.675], std=[57.375, 57.12, 58.395]
    ),
    backbone=dict(type='SiamFCAlexNet'),
    loss=dict(type='PairwiseBCELoss'),
    train_cfg=dict(label_radius_px=16.0),
    test_cfg=dict(
        type='SiamFCTracker',
        scales=3,
        scale_step=1.0375,
        scale_lr=0.59,
        scale_penalty=0.9745,
        window_influence=0.176,
        upsampling=16,
        template_rate=0.0,
    ),
)
