"""Random regions of single images and nothing else, as long as the whole method
(configs/quick/s2siamfc_quick.py)."""

_base_ = [
    '../_base_/models/siamfc_net.py',
    '../_base_/datasets/siamfc_pipeline.py',
    '../_base_/datasets/loader.py',
    '../_base_/schedules/quick_10e.py',
    '../_base_/benchmarks/sequence_folder.py',
    '../_base_/default_runtime.py',
]

model = dict(type='S2SiamFC', backbone=dict(width=1 / 8), train_cfg=dict(masks=0))
train_dataloader = dict(
    batch_size=8,
    num_workers=1,
    dataset=dict(
        type='HardNegativePairs',
        negative_share=0.2,
        box_source=dict(type='RandomBoxes', share=(1 / 8, 1 / 4)),
        clips='work_dirs/quick/frames',
        frame_sampler={{_base_.single_sampler}},
        max_open_clips=100,
        samples_per_epoch=400,
        pipeline={{_base_.single_pipeline}},
    ),
)

param_scheduler = [
    dict(
        type='CosineAnnealingLR',
        eta_min=2e-5,
        begin=0,
        end=10,
        by_epoch=True,
        convert_to_iter_based=True,
    )
]
