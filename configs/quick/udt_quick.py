"""UDT on two CPU cores: minutes instead of days, on discovered boxes of the quick start's clips.

    python tools/train.py configs/quick/udt_quick.py \\
        --cfg-options train_dataloader.dataset.crop_store=work_dirs/quick/crops
    python tools/test.py configs/quick/udt_quick.py work_dirs/udt_quick/epoch_4.pth \\
        --sequences SEQUENCES

Table and crop store are those of configs/quick/usot_quick.py. Without the store it reads the videos
themselves, which is slower.
"""

_base_ = [
    '../_base_/models/udt_net.py',
    '../_base_/datasets/udt_pipeline.py',
    '../_base_/datasets/loader.py',
    '../_base_/schedules/quick_10e.py',
    '../_base_/benchmarks/sequence_folder.py',
    '../_base_/default_runtime.py',
]

# Crops of 93 px instead of 125 cost half as much; the network slides, so it tracks on 125 px all
# the same.
train_pipeline = [
    dict(type='SiameseCrop', views=['frames'], size=93, window='scaled', scaled=3.0),
    dict(type='PackSOTInputs', single=[], stacked=['frames']),
]

train_dataloader = dict(
    batch_size=8,
    num_workers=1,
    dataset=dict(
        type='PseudoBoxDataset',
        box_source='discovered',
        table='work_dirs/quick/table',
        # Read by box_source='annotated' alone.
        sequences=dict(type='SequenceFolderDataset', data_root='data/annotated'),
        frame_sampler={{_base_.frame_sampler}},
        samples_per_epoch=480,
        pipeline=train_pipeline,
    ),
)

# AdamW of the base: it needs no tuned learning rate for pixels that are not scaled.
train_cfg = dict(max_epochs=4)
param_scheduler = [
    dict(
        type='CosineAnnealingLR',
        eta_min=2e-5,
        begin=0,
        end=4,
        by_epoch=True,
        convert_to_iter_based=True,
    )
]
