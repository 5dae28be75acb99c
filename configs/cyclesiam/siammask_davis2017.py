# Networks with masks (cyclesiam-plus.py, siammask-supervised.py) on DAVIS 2017: masks propagated from the boxes of the first frame.
_base_ = [
    '../_base_/models/siammask_r50.py',
    '../_base_/benchmarks/davis2017.py',
    '../_base_/default_runtime.py',
]
