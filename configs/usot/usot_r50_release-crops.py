_base_ = ['../usot_r50.py']
# The release's own pseudo boxes and 511-px crops in place of tables and videos: train.json and
# crop511/ of each set, no discovery.
release = 'data/usot_release/'
train_dataloader = dict(
    dataset=dict(
        datasets=[
            dict(
                type='USOTCropDataset',
                annotation=release + name + '/train.json',
                crops=release + name + '/crop511',
                frame_sampler={{_base_.frame_sampler}},
                pipeline={{_base_.train_pipeline}},
            )
            for name in ('VID_flow', 'got10k_flow', 'lasot_flow', 'ytvos_flow')
        ]
    )
)
