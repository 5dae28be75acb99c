_base_ = ['./s2siamfc_quick_baseline.py']
# Plain SiamFC from pairs of frames with discovered boxes: what video and discovery add to single
# images. Takes table and crop store of configs/quick/usot_quick.py.
model = dict(type='SiamFC', train_cfg=dict(_delete_=True, label_radius_px=16.0))
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='PseudoBoxDataset',
        box_source='discovered',
        table='work_dirs/quick/table',
        frame_sampler={{_base_.pair_sampler}},
        samples_per_epoch=400,
        pipeline={{_base_.single_pipeline}},
    ),
)
