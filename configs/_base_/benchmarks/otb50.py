"""OTB-50: the harder half of OTB-100, 50 targets."""

_base_ = ['./otb100.py']

test_dataloader = dict(dataset=dict(subset='otb50'))
