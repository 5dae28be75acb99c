_base_ = ['./usot_quick.py']
# Single-frame pairs only, as long as the full run: what cycle memory adds is the difference.
model = dict(
    head=dict(memory=None), train_cfg=dict(cycle_start_epoch=None), test_cfg=dict(memory_weight=0.0)
)
