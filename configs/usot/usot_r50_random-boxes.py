_base_ = ['./usot_r50_naive.py']
# Random regions instead of discovered objects, naive stage only (VOT2017/18 EAO 0.195 instead of 0.263 for USOT*).
_random = dict(type='PseudoBoxDataset', box_source='random', pipeline={{_base_.train_pipeline}})
train_dataloader = dict(
    dataset=dict(
        datasets=[
            dict(table={{_base_.tables}} + 'imagenet_vid', **_random),
            dict(table={{_base_.tables}} + 'got10k', **_random),
            dict(table={{_base_.tables}} + 'lasot', **_random),
            dict(table={{_base_.tables}} + 'youtube_vos', **_random),
        ]
    )
)
