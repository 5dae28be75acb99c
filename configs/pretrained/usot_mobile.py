"""USOT's naive tracker on a MobileNetV2 that learnt ImageNet's labels: no box of any clip, like
USOT*.

    python tools/fetch_backbone.py mobilenetv2 --out work_dirs/pretrained/mobilenetv2.pth
    usot follow CLIPS --out work_dirs/mobile/tracks.npz
    python tools/train.py configs/pretrained/usot_mobile.py \\
        --cfg-options train_dataloader.dataset.clips=CLIPS

tools/train_mobile.sh does all of it. Groups are rendered while the network learns, so that nothing
but the clips is on the disk.
"""

_base_ = ['../_base_/benchmarks/sequence_folder.py', '../_base_/default_runtime.py']

minutes = 480

model = dict(
    type='USOT',
    # ImageNet's mean and standard deviation; the weights learnt from RGB.
    data_preprocessor=dict(
        type='SOTDataPreprocessor',
        mean=[103.53, 116.28, 123.675],
        std=[57.375, 57.12, 58.395],
        bgr_to_rgb=True,
    ),
    backbone=dict(
        type='HostBackbone',
        body=dict(
            type='MobileNetV2Backbone',
            outputs=(6, 13),
            init_cfg=dict(type='Pretrained', checkpoint='work_dirs/pretrained/mobilenetv2.pth'),
        ),
        outputs=(0, 1),
    ),
    neck=dict(type='AdjustNeck', in_channels=128, out_channels=96),
    # The towers see similarities alone: with the search features beside them the first minute
    # learnt slower (docs/runs.csv).
    head=dict(
        type='PixelwiseHead', channels=96, with_search=False, loss_cls=dict(type='OverlapFocalLoss')
    ),
    train_cfg=dict(cycle_start_epoch=None, naive_cls_weight=1.0, label_rounding='nearest'),
    # The window was chosen on the odd-numbered of the 25 sequences of docs/results.md.
    test_cfg=dict(
        type='USOTTracker',
        memory_weight=0.0,
        instance_px=255,
        small_instance_px=255,
        window_influence=0.42,
    ),
)

train_dataloader = dict(
    batch_size=32,
    num_workers=1,
    persistent_workers=True,
    collate_fn=dict(type='stack_groups'),
    # A group is drawn anew in every epoch: there is nothing to shuffle.
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='CompositeDataset',
        clips='work_dirs/mobile/clips',
        tracks='work_dirs/mobile/tracks.npz',
        samples_per_epoch=6400,
        # Flying objects are over-represented in the clips.
        clip_weights={'dd_': 0.35},
    ),
)

train_cfg = dict(by_epoch=True, max_epochs=100000)
optim_wrapper = dict(
    # On a GPU: AutocastOptimWrapper. Half precision is slow on a CPU without instructions for it.
    type='OptimWrapper',
    constructor='PartwiseOptimWrapperConstructor',
    optimizer=dict(type='AdamW', lr=1e-3, weight_decay=1e-2),
    clip_grad=dict(max_norm=5.0),
    paramwise_cfg=dict(parts=dict(backbone=dict(lr_mult=0.1))),
)
default_hooks = dict(
    checkpoint=dict(type='CheckpointHook', interval=5, max_keep_ckpts=2), logger=dict(interval=50)
)
custom_hooks = [
    dict(type='TimeBudgetHook', minutes=minutes),
    dict(type='ChannelsLastHook'),
    dict(type='FrozenBackboneHook', backbone='backbone.body', train_from_epoch=None, trained=()),
]
