"""UAV20L: the long sequences of UAV123."""

_base_ = ['./uav123.py']

test_dataloader = dict(dataset=dict(subset='UAV20L'))
