"""Semi-supervised USOT: a share of GOT-10k's real boxes beside discovered ones, each by its quota.

One key says what a run learns from, ``train_dataloader.dataset.quotas = [real boxes, discovered
boxes]`` (samples an epoch): ``[n, m]`` mixed, ``[n, 0]`` supervised, ``[0, m]`` unsupervised. A
second one, ``train_dataloader.dataset.label_share``, says how many of the annotated sequences may
be used: 0, 0.01, 0.1, 1.0 are the usual ones, and a smaller share is part of a larger one.

    python tools/train.py configs/mixed/usot_r50_semi_got10k.py --cfg-options \
        train_dataloader.dataset.label_share=0.01
    python tools/train.py configs/mixed/usot_r50_semi_got10k.py --cfg-options \
        train_dataloader.dataset.quotas=[50000,0] train_dataloader.dataset.label_share=1.0
"""

_base_ = ['../usot_r50.py']

train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='QuotaMixture',
        quotas=[19_000, 31_000],
        label_share=0.1,
        datasets=[
            dict(
                type='PseudoBoxDataset',
                box_source='annotated',
                sequences=dict(type='GOT10kDataset', data_root='data/got10k', subset='train'),
                # Real boxes reach across frames: the search area is another frame than the
                # template.
                frame_sampler=dict(
                    type='QualityFrames', memory=4, extra_memory=3, search_gap_frames=100
                ),
                pipeline={{_base_.train_pipeline}},
            ),
            dict(
                type='PseudoBoxDataset',
                table='data/pseudo_boxes/got10k',
                frame_sampler={{_base_.frame_sampler}},
                pipeline={{_base_.train_pipeline}},
            ),
        ],
    )
)
