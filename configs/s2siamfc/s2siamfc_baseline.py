"""Self-supervised SiamFC, row "SS" of table 3: random regions of single images, nothing else.

    python tools/train.py configs/s2siamfc/s2siamfc_baseline.py
    python tools/train.py configs/s2siamfc/s2siamfc_baseline.py \\
        --cfg-options train_dataloader.dataset.clips=None \\
        train_dataloader.dataset.images=FOLDER_OF_ANY_IMAGES

All other rows of tables 3 to 5 are leaves of this one.
"""

_base_ = [
    '../_base_/models/siamfc_net.py',
    '../_base_/datasets/siamfc_pipeline.py',
    '../_base_/datasets/loader.py',
    '../_base_/schedules/siamfc_50e.py',
    '../_base_/benchmarks/sequence_folder.py',
    '../_base_/default_runtime.py',
]

model = dict(type='S2SiamFC', train_cfg=dict(masks=0))
train_dataloader = dict(
    batch_size=8,
    dataset=dict(
        type='HardNegativePairs',
        negative_share=0.2,  # from the moment there are clusters
        box_source=dict(type='RandomBoxes', share=(1 / 8, 1 / 4)),
        # One random frame of each video in an epoch.
        clips='data/imagenet_vid/Data/VID/train',
        frame_sampler={{_base_.single_sampler}},
        pipeline={{_base_.single_pipeline}},
    ),
)
