_base_ = ['./cyclesiam.py']
# Weights of the loss as in the published code instead of the paper's: score 1, box 1.2.
model = dict(train_cfg=dict(score_weight=1.0, box_weight=1.2))
