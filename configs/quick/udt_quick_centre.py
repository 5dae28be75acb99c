_base_ = ['./udt_quick.py']
# The middle half of the frame, as in the paper: what discovery adds is the difference to udt_quick.
train_dataloader = dict(dataset=dict(box_source='centre'))
