"""UDT's network: two 3x3 layers and a correlation filter, from random weights.

Pixels minus the mean of ImageNet, as published."""

model = dict(
    type='UDT',
    data_preprocessor=dict(
        type='SOTDataPreprocessor', mean=[104.0, 117.0, 123.0], std=[1.0, 1.0, 1.0]
    ),
    backbone=dict(type='DCFNetBackbone', channels=32),
    regularisation=1e-4,
    padding=2.0,
    sigma_factor=0.1,
    # Step and rate of the PyTorch release; the paper's step is 1.015.
    test_cfg=dict(
        type='UDTTracker',
        online=dict(type='LinearUpdate', rate=0.01),
        scales=3,
        scale_step=1.0275,
        scale_penalty=0.9925,
    ),
)
