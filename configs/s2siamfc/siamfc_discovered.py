_base_ = ['./siamfc_supervised.py']
# The same SiamFC without a label: pairs of frames from discovered boxes (tools/discover_boxes.py).
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='PseudoBoxDataset',
        box_source='discovered',
        table='data/pseudo_boxes/imagenet_vid',
        frame_sampler={{_base_.pair_sampler}},
        samples_per_epoch=53_200,
        pipeline={{_base_.pair_pipeline}},
    ),
)
