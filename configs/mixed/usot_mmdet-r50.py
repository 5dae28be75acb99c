"""USOT on parts of mmdet: its ResNet-50 as the backbone, its focal and GIoU losses, its visualizer.
Needs mmcv with compiled ops.

    python tools/train.py configs/mixed/usot_mmdet-r50.py
    python tools/test.py configs/mixed/usot_mmdet-r50.py work_dirs/usot_mmdet-r50/epoch_30.pth \\
        --sequences SEQUENCES

Everything else is configs/usot_r50.py: data, stages, schedule, cycle memory, tracker.
"""

_base_ = ['../usot_r50.py']
default_scope = 'mmdet'

model = dict(
    backbone=dict(
        _delete_=True,
        type='HostBackbone',
        # Stage 3 dilated instead of strided: stride 8, and its cells need no interpolation.
        body=dict(
            type='mmdet.ResNet',
            depth=50,
            num_stages=3,
            strides=(1, 2, 1),
            dilations=(1, 1, 2),
            out_indices=(2,),
            norm_cfg=dict(type='BN'),
            norm_eval=False,
            init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet50'),
        ),
    ),
    head=dict(
        # Focal loss, averaged over the positives, starts about ten times as large as balanced BCE.
        loss_cls=dict(
            _delete_=True,
            type='HostMapLoss',
            loss=dict(type='mmdet.FocalLoss', gamma=2.0, alpha=0.75, loss_weight=0.1),
        ),
        loss_reg=dict(
            _delete_=True, type='HostBoxLoss', loss=dict(type='mmdet.GIoULoss', loss_weight=1.0)
        ),
    ),
)
custom_hooks = [
    dict(
        type='FrozenBackboneHook',
        backbone='backbone.body',
        train_from_epoch=9,
        trained=('layer1', 'layer2', 'layer3'),
    )
]

visualizer = dict(type='mmdet.DetLocalVisualizer', vis_backends=[dict(type='LocalVisBackend')])
default_hooks = dict(visualization=dict(type='SOTVisualizationHook', interval=50))
