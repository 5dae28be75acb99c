_base_ = ['./pul_quick.py']
# Ablation: the Gaussian label without noise (mean squared error) on the same mined pairs.
model = dict(loss=dict(alpha_px2=0.0, ridge=0.5, loss_weight=1.0))
shared_dir = 'work_dirs/pul_quick'
