_base_ = ['./cyclesiam_quick.py']
# With masks, which configs/discovery/masks.py has kept in the table; without refinement, which
# costs more than this network. At its usual weight of 30 the mask term is nearly all of the loss,
# and a network without pretrained weights learns little else from it.
model = dict(
    mask_head=dict(type='SiamMaskHead', in_channels=48),
    train_cfg=dict(mask_weight=2.0),
    test_cfg=dict(region='mask'),
)
train_dataloader = dict(dataset=dict(frame_sampler=dict(first_with_mask=True)))
