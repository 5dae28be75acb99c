_base_ = ['./usot-star_r50_naive.py']
# USOT* on random regions instead of discovered objects, naive stage only: Table 4, "random boxes"
# (VOT2017/18 EAO 0.195).
_random = dict(type='PseudoBoxDataset', box_source='random', pipeline={{_base_.train_pipeline}})
# as the base has it: MMEngine cannot put {{_base_.tables}} together with a name
tables = 'data/pseudo_boxes/'
train_dataloader = dict(
    dataset=dict(
        datasets=[
            dict(table=tables + name, **_random)
            for name in ('imagenet_vid', 'got10k', 'lasot', 'youtube_vos')
        ]
    )
)
