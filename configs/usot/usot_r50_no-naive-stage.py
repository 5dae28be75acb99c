_base_ = ['../usot_r50.py']
# Cycle memory from the first epoch on (Table 5: VOT2017/18 EAO 0.306 instead of 0.344 for USOT*).
model = dict(train_cfg=dict(cycle_start_epoch=0))
