"""USOT on two CPU cores: minutes instead of days, the same stages as configs/usot_r50.py.

    python tools/discover_boxes.py configs/discovery/default.py VIDEOS --out work_dirs/quick/table
    python tools/build_crop_store.py work_dirs/quick/table --out work_dirs/quick/crops
    python tools/train.py configs/quick/usot_quick.py \\
        --cfg-options train_dataloader.dataset.crop_store=work_dirs/quick/crops
    python tools/test.py configs/quick/usot_quick.py work_dirs/usot_quick/epoch_10.pth \\
        --sequences SEQUENCES

Without the crop store it reads the videos themselves, which is two to three times slower.
"""

_base_ = [
    '../_base_/models/usot_quick_net.py',
    '../_base_/datasets/usot_pipeline.py',
    '../_base_/datasets/loader.py',
    '../_base_/schedules/quick_10e.py',
    '../_base_/benchmarks/sequence_folder.py',
    '../_base_/default_runtime.py',
]

# Two memory frames instead of four: a cycle step costs half as much.
frame_sampler = dict(type='QualityFrames', memory=2, extra_memory=3)

train_dataloader = dict(
    batch_size=16,
    num_workers=1,
    dataset=dict(
        type='PseudoBoxDataset',
        table='work_dirs/quick/table',
        frame_sampler=frame_sampler,
        samples_per_epoch=1600,
        pipeline={{_base_.train_pipeline}},
    ),
)
