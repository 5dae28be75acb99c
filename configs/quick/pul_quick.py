"""PUL-style training on two CPU cores: all three stages at an eighth of the width, minutes instead
of days.

    python tools/train_pul.py configs/quick/pul_quick.py --cfg-options \\
        discrimination.train_dataloader.dataset.crop_store=work_dirs/quick/crops
    python tools/test.py configs/quick/pul_quick.py work_dirs/pul_quick/epoch_3.pth \\
        --sequences SEQUENCES

Table and crop store are those of configs/quick/usot_quick.py; pairs are mined from the videos
themselves and stored as crops again.
"""

_base_ = ['../pul/alexpul.py']

model = dict(backbone=dict(width=1 / 8))
train_dataloader = dict(
    batch_size=8,
    num_workers=1,
    dataset=dict(
        frame_sampler=dict(spans=[(0, 10), (1, 20), (2, 30)]),
        samples_per_epoch=800,
        pipeline={{_base_.single_pipeline}},  # little data: colour, rotation and blur as in stage 1
    ),
)
train_cfg = dict(by_epoch=True, max_epochs=3)
# Adam learns this small network from scratch several times faster than the SGD of the large one.
optim_wrapper = dict(
    _delete_=True,
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=1e-3, weight_decay=1e-4),
    clip_grad=dict(max_norm=10.0),
)
param_scheduler = [
    dict(
        type='CosineAnnealingLR',
        eta_min=2e-5,
        begin=0,
        end=3,
        by_epoch=True,
        convert_to_iter_based=True,
    )
]

discrimination = dict(
    train_dataloader=dict(dataset=dict(table='work_dirs/quick/table', samples_per_epoch=800)),
    train_cfg=dict(max_epochs=4),
    param_scheduler=[
        dict(
            type='CosineAnnealingLR',
            eta_min=2e-5,
            begin=0,
            end=4,
            by_epoch=True,
            convert_to_iter_based=True,
        )
    ],
)
mining = dict(anchors=4, clip_frames=30, step_frames=3, wanted_pairs=1000)
