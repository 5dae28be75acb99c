"""The paper's USOT: MoCo-v2 start, four sets of unlabeled video, 5 naive and 25 cycle-memory
epochs, 4 GPUs x 12 groups.

tools/dist_train.sh configs/usot_r50.py 4
"""

_base_ = [
    './_base_/models/usot_r50_net.py',
    './_base_/datasets/usot_mixture.py',
    './_base_/schedules/usot_30e.py',
    './_base_/benchmarks/sequence_folder.py',
    './_base_/default_runtime.py',
]
