_base_ = ['./respul.py']
# Ablation: balanced cross-entropy on the pairs that ResPUL has mined.
model = dict(type='SiamFC', loss=dict(_delete_=True, type='PairwiseBCELoss'))
shared_dir = 'work_dirs/respul'
