_base_ = ['./pul_quick.py']
# Ablation: balanced cross-entropy on the same mined pairs; the first two stages are those of
# pul_quick.py.
model = dict(type='SiamFC', loss=dict(_delete_=True, type='PairwiseBCELoss'))
shared_dir = 'work_dirs/pul_quick'
