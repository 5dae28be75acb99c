"""CycleSiam+: the cycle with the mask branch; the masks of the first frames are discovered motion
masks, so there is still no label.

python tools/discover_boxes.py configs/discovery/masks.py data/imagenet_vid/Data/VID/train \\
    --out data/pseudo_boxes/imagenet_vid_masks
python tools/train.py configs/cyclesiam/cyclesiam-plus.py
python tools/test.py configs/cyclesiam/cyclesiam-plus.py work_dirs/cyclesiam-plus/epoch_20.pth \\
    --benchmark davis2016
"""

_base_ = ['./cyclesiam.py']

model = dict(
    backbone=dict(type='StagedSiameseResNet'),
    mask_head=dict(type='SiamMaskHead'),
    refine_head=dict(type='SiamMaskRefiner'),
    train_cfg=dict(mask_weight=30.0, refined_mask_weight=30.0),
    test_cfg=dict(region='mask', mask_threshold=0.5),
)
train_dataloader = dict(
    dataset=dict(
        table='data/pseudo_boxes/imagenet_vid_masks', frame_sampler=dict(first_with_mask=True)
    ),
)
