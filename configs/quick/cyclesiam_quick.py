"""CycleSiam on two CPU cores: minutes instead of days, on discovered boxes of the quick start's
clips.

    python tools/train.py configs/quick/cyclesiam_quick.py \\
        --cfg-options train_dataloader.dataset.crop_store=work_dirs/quick/crops
    python tools/test.py configs/quick/cyclesiam_quick.py work_dirs/cyclesiam_quick/epoch_10.pth \\
        --sequences SEQUENCES

Table and crop store are those of configs/quick/usot_quick.py. The way is 1-2-1; before it, four
epochs track the first frame to itself, because a network from scratch finds nothing in another one.
"""

_base_ = [
    '../_base_/models/siamrpn_quick_net.py',
    '../_base_/datasets/siamrpn_pipeline.py',
    '../_base_/datasets/loader.py',
    '../_base_/schedules/quick_10e.py',
    '../_base_/benchmarks/sequence_folder.py',
    '../_base_/default_runtime.py',
]

# A network from scratch that sees the first frame twice learns to find equal pixels; these views
# differ in colour, light and shape.
train_pipeline = [
    dict(type='SiameseCrop', views=['template'], size=127, exemplar=127, shift_px=4, scale=0.05),
    dict(type='SiameseCrop', views=['search'], size=255, exemplar=127, shift_px=64, scale=0.3),
    dict(type='SiameseCrop', views=['hops'], size=255, exemplar=127, shift_px=16, scale=0.05),
    dict(type='ViewPerspective', views=['template'], scale=(0.01, 0.07)),
    dict(type='ViewCoarseDropout', views=['template'], share=(0.0, 0.05)),
    dict(type='ViewHueSaturation', views=['search', 'hops'], hue=(0.8, 1.2), saturation=(0.5, 1.5)),
    dict(type='ViewBrightness', views=['search', 'hops'], factor=(0.6, 1.4)),
    dict(type='ViewMotionBlur', views=['search'], prob=0.5, kernel=(3, 9)),
    dict(type='GroupGray', views=['template', 'search', 'hops'], prob=0.25),
    dict(type='PackSOTInputs', stacked=['hops'], masks=['search']),
]

model = dict(type='CycleSiam', train_cfg=dict(hops=(1, 2, 1), cycle_start_epoch=4))
train_dataloader = dict(
    batch_size=16,
    num_workers=1,
    dataset=dict(
        type='PseudoBoxDataset',
        box_source='discovered',
        table='work_dirs/quick/table',
        frame_sampler={{_base_.cycle_121_sampler}},
        samples_per_epoch=1600,
        pipeline=train_pipeline,
    ),
)
