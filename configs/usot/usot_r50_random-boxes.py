_base_ = ['./usot_r50_naive.py']
# Random regions instead of discovered objects, naive stage only (VOT2017/18 EAO 0.195 instead of 0.263 for USOT*).
_random = dict(type='PseudoBoxDataset', box_source='random', pipeline={{_base_.train_pipeline}})
tables = 'data/pseudo_boxes/'  # as the base has it: MMEngine cannot put {{_base_.tables}} together with a name
train_dataloader = dict(
    dataset=dict(
        datasets=[
            dict(table=tables + name, **_random)
            for name in ('imagenet_vid', 'got10k', 'lasot', 'youtube_vos')
        ]
    )
)
