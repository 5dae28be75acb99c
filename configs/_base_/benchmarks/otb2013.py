"""OTB-2013 (CVPR 2013): 51 targets of OTB-100."""

_base_ = ['./otb100.py']

test_dataloader = dict(dataset=dict(subset='otb2013'))
