_base_ = ['./cyclesiam_quick.py']
# Random regions of the same clips instead of discovered objects: what discovery adds is the
# difference to cyclesiam_quick.
train_dataloader = dict(
    dataset=dict(box_source=dict(_delete_=True, type='RandomBoxes', kept_only=True))
)
