"""The supervised base of CycleSiam+: SiamMask from the annotated boxes and masks of DAVIS-2017's
training part.

The masks of the frames a pair is drawn from are real; use it as the base of a larger mixture where
more masks are at hand.

    python tools/train.py configs/cyclesiam/siammask_supervised.py
    python tools/test.py configs/cyclesiam/siammask_supervised.py \\
        work_dirs/siammask_supervised/epoch_20.pth --benchmark davis2016
"""

_base_ = ['./siamrpn_supervised.py']

model = dict(
    backbone=dict(type='StagedSiameseResNet'),
    mask_head=dict(type='SiamMaskHead'),
    refine_head=dict(type='SiamMaskRefiner'),
    train_cfg=dict(mask_weight=36.0, refined_mask_weight=36.0, box_weight=1.2),
    test_cfg=dict(region='mask', mask_threshold=0.5),
)
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='PseudoBoxDataset',
        box_source='annotated_masks',
        sequences=dict(type='DAVISDataset', data_root='data/DAVIS', subset='2017', split='train'),
        frame_sampler={{_base_.pair_sampler}},
        samples_per_epoch=6_000,
        pipeline={{_base_.pair_pipeline}},
    ),
)
