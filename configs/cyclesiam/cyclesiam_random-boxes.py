_base_ = ['./cyclesiam.py']
# Random first boxes: what discovery adds is the difference to the base.
train_dataloader = dict(dataset=dict(box_source='random'))
