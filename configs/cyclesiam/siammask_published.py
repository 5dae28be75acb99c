"""Tracks with published SiamMask weights: the network of siammask_r50_net.py on the raw pixels that
they were trained on.

python tools/convert_checkpoint.py PUBLISHED siammask.pth
python tools/test.py configs/cyclesiam/siammask_published.py siammask.pth --benchmark davis2016 \\
    --data-root DAVIS
"""

_base_ = [
    '../_base_/models/siammask_r50_net.py',
    '../_base_/benchmarks/sequence_folder.py',
    '../_base_/default_runtime.py',
]

model = dict(
    data_preprocessor=dict(_delete_=True, type='SOTDataPreprocessor'),  # BGR of 0..255
    backbone=dict(init_cfg=None),
)
