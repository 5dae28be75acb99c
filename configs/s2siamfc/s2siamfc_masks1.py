_base_ = ['./s2siamfc_full.py']
# Table 4, "Mask1": templates are masked once.
model = dict(train_cfg=dict(masks=1))
