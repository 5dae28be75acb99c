_base_ = ['./s2siamfc_full.py']
# Table 5, K = 0: no hard negatives.
custom_hooks = []
