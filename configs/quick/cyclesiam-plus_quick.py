_base_ = ['./cyclesiam_quick.py']
# With masks, which configs/discovery/masks.py has kept in the table; without refinement, which costs more than this network.
model = dict(mask_head=dict(type='SiamMaskHead', in_channels=48), test_cfg=dict(region='mask'))
train_dataloader = dict(dataset=dict(frame_sampler=dict(first_with_mask=True)))
