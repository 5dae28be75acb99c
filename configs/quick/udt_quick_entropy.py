_base_ = ['./udt_quick.py']
# The region of highest entropy in a group's first frame: what discovery adds is the difference to udt_quick.
train_dataloader = dict(dataset=dict(box_source='entropy'))
