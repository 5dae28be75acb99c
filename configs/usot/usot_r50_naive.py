_base_ = ['../usot_r50.py']
# Single-frame pairs only (Sec. 3.2): no cycle stage, and nothing to update on-line.
model = dict(
    head=dict(memory=None), train_cfg=dict(cycle_start_epoch=None), test_cfg=dict(memory_weight=0.0)
)
