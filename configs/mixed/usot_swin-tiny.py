"""USOT on mmdet's Swin-T: stages 2 and 3, strides 8 and 16, brought onto one grid of stride 8.

Needs mmcv with compiled ops."""

_base_ = ['./usot_mmdet-r50.py']

model = dict(
    backbone=dict(
        _delete_=True,
        type='HostBackbone',
        cells='patches',
        outputs=(0, 1),
        body=dict(
            type='mmdet.SwinTransformer',
            embed_dims=96,
            depths=(2, 2, 6),
            num_heads=(3, 6, 12),
            strides=(4, 2, 2),
            out_indices=(1, 2),
            drop_path_rate=0.1,
            convert_weights=True,
            # The official weights of ImageNet-1k; the fourth stage in the file is not used.
            init_cfg=dict(type='Pretrained', checkpoint='weights/swin_tiny_patch4_window7_224.pth'),
        ),
    ),
    neck=dict(in_channels=192 + 384),
)
# As Swin detectors are trained: AdamW, no decay of what is a norm or a bias table.
optim_wrapper = dict(
    _delete_=True,
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=1e-4, weight_decay=0.05),
    paramwise_cfg=dict(
        bypass_duplicate=True,
        norm_decay_mult=0.0,
        custom_keys={
            'backbone': dict(lr_mult=0.1),
            'relative_position_bias_table': dict(decay_mult=0.0, lr_mult=0.1),
        },
    ),
    clip_grad=dict(max_norm=10.0),
)
custom_hooks = [
    dict(
        type='FrozenBackboneHook',
        backbone='backbone.body',
        train_from_epoch=9,
        trained=('patch_embed', 'stages'),
    )
]
