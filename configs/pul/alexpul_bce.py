_base_ = ['./alexpul.py']
# Ablation: balanced cross-entropy, which takes the mined centres for exact; the first two stages
# are those of AlexPUL.
model = dict(type='SiamFC', loss=dict(_delete_=True, type='PairwiseBCELoss'))
shared_dir = 'work_dirs/alexpul'
