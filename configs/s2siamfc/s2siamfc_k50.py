_base_ = ['./s2siamfc_full.py']
# Table 5, K = 50.
custom_hooks = [dict(type='HardNegativeMiningHook', start_epoch=25, clusters=50)]
