# Networks with masks (cyclesiam-plus.py, siammask-supervised.py) on VOT2018, driven and scored with resets.
_base_ = [
    '../_base_/models/siammask_r50.py',
    '../_base_/benchmarks/vot2018.py',
    '../_base_/default_runtime.py',
]
# The rotated rectangle around the mask, as SiamMask reports it to VOT.
model = dict(test_cfg=dict(region='rotated_box', mask_threshold=0.3))
