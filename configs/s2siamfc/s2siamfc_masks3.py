_base_ = ['./s2siamfc_full.py']
# Table 4, "Mask3": templates are masked three times.
model = dict(train_cfg=dict(masks=3))
