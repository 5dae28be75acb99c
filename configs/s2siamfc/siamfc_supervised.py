"""The supervised base: SiamFC from annotated pairs of ImageNet VID (row "Supervised SiamFC" of
tables 1 and 2).

python tools/convert_imagenet_vid.py data/imagenet_vid
python tools/train.py configs/s2siamfc/siamfc_supervised.py
python tools/test.py configs/s2siamfc/siamfc_supervised.py \\
    work_dirs/siamfc_supervised/epoch_50.pth --sequences SEQUENCES
"""

_base_ = [
    '../_base_/models/siamfc_net.py',
    '../_base_/datasets/siamfc_pipeline.py',
    '../_base_/datasets/loader.py',
    '../_base_/schedules/siamfc_50e.py',
    '../_base_/benchmarks/sequence_folder.py',
    '../_base_/default_runtime.py',
]

train_dataloader = dict(
    batch_size=8,
    dataset=dict(
        type='CocoVIDDataset',
        annotation='data/imagenet_vid/annotations/imagenet_vid_train.json',
        image_root='data/imagenet_vid/Data/VID',
        frame_sampler={{_base_.pair_sampler}},
        samples_per_epoch=53_200,
        pipeline={{_base_.pair_pipeline}},
    ),
)
