_base_ = ['./s2siamfc_full.py']
# Row "SS + AC + HN + AM + LU" of table 3: the same weights, the template follows the target's appearance.
model = dict(test_cfg=dict(template_rate=0.0102))
