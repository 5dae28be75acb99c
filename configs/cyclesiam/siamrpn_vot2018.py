# Networks without masks (cyclesiam.py, siamrpn-supervised.py) on VOT2018, driven and scored with resets.
_base_ = [
    '../_base_/models/siamrpn_r50.py',
    '../_base_/benchmarks/vot2018.py',
    '../_base_/default_runtime.py',
]
