"""DAVIS 2016 validation set: all objects of a sequence are one."""

_base_ = ['./davis2017.py']

test_dataloader = dict(dataset=dict(subset='2016'))
