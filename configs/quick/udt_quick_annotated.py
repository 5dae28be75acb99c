_base_ = ['./udt_quick.py']
# Real boxes instead of discovered ones, on the cycle loss all the same: how much of a result the boxes are.
train_dataloader = dict(dataset=dict(box_source='annotated'))
