"""The paper's four sets of unlabeled video with their samples per epoch.

``bash tools/discover_usot.sh data`` makes the four tables. Fewer sets (the paper's Table 6) by one
key: ``train_dataloader.dataset.quotas=[14000,0,0,0]`` is VID alone.
"""

_base_ = ['./usot_pipeline.py', './loader.py']

tables = 'data/pseudo_boxes/'
frame_sampler = dict(type='QualityFrames', memory=4, extra_memory=3)

train_dataloader = dict(
    batch_size=12,
    dataset=dict(
        type='QuotaMixture',
        quotas=[14_000, 19_000, 13_000, 4_000],
        datasets=[
            dict(
                type='PseudoBoxDataset',
                table=tables + name,
                frame_sampler=frame_sampler,
                pipeline={{_base_.train_pipeline}},
            )
            for name in ('imagenet_vid', 'got10k', 'lasot', 'youtube_vos')
        ],
    ),
)
