_base_ = ['./s2siamfc_full.py']
# Table 4, "Mask2": templates are masked twice. This is the whole method itself.
model = dict(train_cfg=dict(masks=2))
