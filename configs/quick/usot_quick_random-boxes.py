_base_ = ['./usot_quick_naive.py']
# Random regions of the same clips instead of discovered objects: what discovery adds is the
# difference to usot_quick_naive.
train_dataloader = dict(dataset=dict(box_source=dict(type='RandomBoxes', kept_only=True)))
