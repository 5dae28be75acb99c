_base_ = ['./alexpul.py']
# Ablation of stage 1: plain instance discrimination, no background patch around the anchor is a negative.
discrimination = dict(model=dict(loss=dict(hard_negatives=0)))
