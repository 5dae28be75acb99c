_base_ = ['./s2siamfc_baseline.py']
# Row "SS + AM" of table 3: salient regions of the template are erased, twice.
model = dict(train_cfg=dict(masks=2, raw_weight=0.7))
