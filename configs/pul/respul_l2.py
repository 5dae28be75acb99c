_base_ = ['./respul.py']
# Ablation: the Gaussian label without noise on the pairs that ResPUL has mined.
model = dict(loss=dict(alpha_px2=0.0, ridge=0.5, loss_weight=1.0))
shared_dir = 'work_dirs/respul'
