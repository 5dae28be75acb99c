"""The paper's UDT: no box at all, the middle half of three frames of ILSVRC videos, forward and
backward.

The box is a sixth of the frame, of which the crop shows three times: half the frame, a third of it
the target.

    python tools/train.py configs/udt/udt.py
    python tools/test.py configs/udt/udt.py work_dirs/udt/epoch_50.pth --sequences SEQUENCES
"""

_base_ = [
    '../_base_/models/udt_net.py',
    '../_base_/datasets/udt_pipeline.py',
    '../_base_/datasets/loader.py',
    '../_base_/schedules/udt_50e.py',
    '../_base_/benchmarks/sequence_folder.py',
    '../_base_/default_runtime.py',
]

train_dataloader = dict(
    batch_size=32,
    dataset=dict(
        type='PseudoBoxDataset',
        box_source=dict(type='CentreBoxes', share=1 / 6),
        clips='data/imagenet_vid/Data/VID/train',
        frame_sampler={{_base_.frame_sampler}},
        # as the release: about one group a frame of VID's training part
        samples_per_epoch=1_120_000,
        pipeline={{_base_.train_pipeline}},
    ),
)
