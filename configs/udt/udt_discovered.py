_base_ = ['./udt.py']
# Ours: the crops follow discovered moving objects (tools/discover_boxes.py) instead of the middle
# of the frame.
train_dataloader = dict(
    dataset=dict(
        box_source='discovered',
        clips=None,
        table='data/pseudo_boxes/imagenet_vid',
    )
)
