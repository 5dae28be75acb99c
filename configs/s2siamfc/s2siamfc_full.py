_base_ = ['./s2siamfc_baseline.py']
# Row "SS + AC + HN + AM" of table 3, the whole method.
model = dict(
    loss=dict(type='AntiClutterLoss', threshold=0.5, power=2.0),
    train_cfg=dict(masks=2, raw_weight=0.7),
)
custom_hooks = [dict(type='HardNegativeMiningHook', start_epoch=25, clusters=100)]
