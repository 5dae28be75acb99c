"""The small tracker, first round: real unlabeled clips, and real surfaces moving over real video
with exact boxes.

tools/train_pretrained.sh makes the data and runs all four rounds; the last is usot_small.py, whose
weights ship with the package.
"""

_base_ = [
    '../_base_/models/usot_quick_net.py',
    '../_base_/datasets/usot_pipeline.py',
    '../_base_/datasets/loader.py',
    '../_base_/schedules/quick_10e.py',
    '../_base_/benchmarks/sequence_folder.py',
    '../_base_/default_runtime.py',
]

frame_sampler = dict(type='QualityFrames', memory=2, extra_memory=3)

discovered = dict(
    type='PseudoBoxDataset',
    table='work_dirs/pretrained/table',
    crop_store='work_dirs/pretrained/crops',
    frame_sampler=frame_sampler,
    pipeline={{_base_.train_pipeline}},
)

train_dataloader = dict(
    batch_size=16,
    num_workers=1,
    dataset=dict(
        type='QuotaMixture',
        quotas=[800, 800],
        datasets=[
            discovered,
            dict(
                type='PseudoBoxDataset',
                box_source='annotated',
                sequences=dict(
                    type='SequenceFolderDataset', data_root='work_dirs/pretrained/composites'
                ),
                frame_sampler=frame_sampler,
                pipeline={{_base_.train_pipeline}},
            ),
        ],
    ),
)

train_cfg = dict(max_epochs=16)
model = dict(train_cfg=dict(cycle_start_epoch=9))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, begin=0, end=50, by_epoch=False),
    dict(
        type='CosineAnnealingLR',
        eta_min=2e-5,
        begin=0,
        end=16,
        by_epoch=True,
        convert_to_iter_based=True,
    ),
]
