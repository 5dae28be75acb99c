"""SiamMask: the network of siamrpn_r50_net.py with a 63x63 mask for each cell and its refinement to
127x127."""

_base_ = ['./siamrpn_r50_net.py']

model = dict(
    backbone=dict(type='StagedSiameseResNet'),
    mask_head=dict(type='SiamMaskHead'),
    refine_head=dict(type='SiamMaskRefiner'),
    train_cfg=dict(mask_weight=30.0, refined_mask_weight=30.0),
    test_cfg=dict(region='mask', mask_threshold=0.5),
)
