_base_ = ['./usot-star_r50.py']
# USOT* without cycle memory (Sec. 3.2), and nothing to update on-line: Table 4, "our generated
# boxes" (VOT2017/18 EAO 0.263).
model = dict(
    head=dict(memory=None), train_cfg=dict(cycle_start_epoch=None), test_cfg=dict(memory_weight=0.0)
)
