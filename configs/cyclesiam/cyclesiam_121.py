_base_ = ['./cyclesiam.py']
# The short way 1-2-1: what the longer one of the base adds is the difference.
model = dict(train_cfg=dict(hops=(1, 2, 1)))
train_dataloader = dict(dataset=dict(frame_sampler={{_base_.cycle_121_sampler}}))
