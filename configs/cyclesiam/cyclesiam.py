"""CycleSiam: SiamRPN++ from unlabeled video, tracked 1-2-3-2-1; the box of the first frame is a
discovered one.

python tools/discover_boxes.py configs/discovery/default.py data/imagenet_vid/Data/VID/train \\
    --out data/pseudo_boxes/imagenet_vid
python tools/train.py configs/cyclesiam/cyclesiam.py
python tools/test.py configs/cyclesiam/cyclesiam.py work_dirs/cyclesiam/epoch_20.pth \\
    --sequences SEQUENCES
"""

_base_ = [
    '../_base_/models/siamrpn_r50_net.py',
    '../_base_/datasets/siamrpn_pipeline.py',
    '../_base_/datasets/loader.py',
    '../_base_/schedules/siamrpn_20e.py',
    '../_base_/benchmarks/sequence_folder.py',
    '../_base_/default_runtime.py',
]

model = dict(type='CycleSiam', train_cfg=dict(hops=(1, 2, 3, 2, 1)))
train_dataloader = dict(
    batch_size=32,
    dataset=dict(
        type='PseudoBoxDataset',
        box_source='discovered',
        table='data/pseudo_boxes/imagenet_vid',
        frame_sampler={{_base_.cycle_12321_sampler}},
        samples_per_epoch=600_000,  # as the published code
        pipeline={{_base_.cycle_pipeline}},
    ),
)
