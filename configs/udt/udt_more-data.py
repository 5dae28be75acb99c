_base_ = ['./udt.py']
# UDT-MoreData: 337 further unlabeled videos of OxUvA (Fig. 6: +0.7 AUC); each set is drawn from by
# its number of frames.
_part = dict(
    type='PseudoBoxDataset',
    box_source=dict(type='CentreBoxes', share=1 / 6),
    frame_sampler={{_base_.frame_sampler}},
    pipeline={{_base_.train_pipeline}},
)
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='QuotaMixture',
        quotas=[1_120_000, 525_000],
        datasets=[
            dict(clips='data/imagenet_vid/Data/VID/train', **_part),
            dict(clips='data/oxuva/images', **_part),
        ],
    )
)
