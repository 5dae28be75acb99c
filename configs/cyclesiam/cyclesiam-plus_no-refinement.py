_base_ = ['./cyclesiam-plus.py']
# Masks of 63x63 as they come from the cells: what the refinement adds is the difference.
model = dict(backbone=dict(type='SiameseResNet'), refine_head=None)
