"""The paper's tracker on VOT2018: the same network as configs/usot_r50.py, driven and scored with resets."""

_base_ = [
    '../_base_/models/usot_r50_net.py',
    '../_base_/benchmarks/vot2018.py',
    '../_base_/default_runtime.py',
]
