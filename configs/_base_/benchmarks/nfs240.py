"""Need for Speed at 240 frames per second."""

_base_ = ['./nfs30.py']

test_dataloader = dict(dataset=dict(subset='240'))
