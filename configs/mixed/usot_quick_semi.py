"""usot_r50_semi_got10k on two CPU cores: the quick network, annotated sequences in GOT-10k's layout
beside a table of pseudo boxes."""

_base_ = ['../quick/usot_quick.py']

train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='QuotaMixture',
        quotas=[800, 800],
        label_share=0.1,
        datasets=[
            dict(
                type='PseudoBoxDataset',
                box_source='annotated',
                sequences=dict(type='GOT10kDataset', data_root='data/got10k', subset='train'),
                frame_sampler=dict(
                    type='QualityFrames', memory=2, extra_memory=3, search_gap_frames=100
                ),
                pipeline={{_base_.train_pipeline}},
            ),
            dict(
                type='PseudoBoxDataset',
                table='work_dirs/quick/table',
                frame_sampler={{_base_.frame_sampler}},
                pipeline={{_base_.train_pipeline}},
            ),
        ],
    )
)
