_base_ = ['./udt.py']
# UDT-SingleTrajectory: the prototype of Sec. 3.2, there and back between two frames, every sample
# alike (Fig. 6).
model = dict(loss=dict(type='ConsistencyLoss', drop_share=0.0, weigh_motion=False))
train_dataloader = dict(dataset=dict(frame_sampler=dict(count=2)))
