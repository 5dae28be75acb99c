"""The paper's tracker on OTB-100: any other file of configs/_base_/benchmarks/ takes the place of the second line for another benchmark."""

_base_ = [
    '../_base_/models/usot_r50_net.py',
    '../_base_/benchmarks/otb100.py',
    '../_base_/default_runtime.py',
]
