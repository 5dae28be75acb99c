_base_ = ['./s2siamfc_baseline.py']
# Row "SS + HN" of table 3: in the second half look-alikes are hard negatives. The paper does not
# say when its second stage begins.
custom_hooks = [dict(type='HardNegativeMiningHook', start_epoch=25, clusters=100)]
