"""The supervised base: SiamRPN++ from annotated pairs of ImageNet VID.

python tools/convert_imagenet_vid.py data/imagenet_vid
python tools/train.py configs/cyclesiam/siamrpn_supervised.py
python tools/test.py configs/cyclesiam/siamrpn_supervised.py \\
    work_dirs/siamrpn_supervised/epoch_20.pth --sequences SEQUENCES
"""

_base_ = [
    '../_base_/models/siamrpn_r50_net.py',
    '../_base_/datasets/siamrpn_pipeline.py',
    '../_base_/datasets/loader.py',
    '../_base_/schedules/siamrpn_20e.py',
    '../_base_/benchmarks/sequence_folder.py',
    '../_base_/default_runtime.py',
]

train_dataloader = dict(
    batch_size=32,
    dataset=dict(
        type='CocoVIDDataset',
        annotation='data/imagenet_vid/annotations/imagenet_vid_train.json',
        image_root='data/imagenet_vid/Data/VID',
        frame_sampler={{_base_.pair_sampler}},
        samples_per_epoch=600_000,
        pipeline={{_base_.pair_pipeline}},
    ),
)
