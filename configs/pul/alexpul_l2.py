_base_ = ['./alexpul.py']
# Ablation: the same Gaussian label without noise. With alpha = 0 and ridge = 1/2 the loss is the
# mean squared error.
model = dict(loss=dict(alpha_px2=0.0, ridge=0.5, loss_weight=1.0))
shared_dir = 'work_dirs/alexpul'
