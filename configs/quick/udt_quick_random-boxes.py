_base_ = ['./udt_quick.py']
# Random regions of the same clips instead of discovered objects: what discovery adds is the
# difference to udt_quick.
train_dataloader = dict(
    dataset=dict(box_source=dict(_delete_=True, type='RandomBoxes', kept_only=True))
)
