# Networks without masks (cyclesiam.py, siamrpn-supervised.py) on VOT2016, driven and scored with resets.
_base_ = [
    '../_base_/models/siamrpn_r50.py',
    '../_base_/benchmarks/vot2016.py',
    '../_base_/default_runtime.py',
]
