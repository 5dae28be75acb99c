"""Crops of SiamRPN++ training: template 127 px, search area 255 px.

Shift and scale are the releases'. Their blur is rarer (0.18 of the crops, half of them unchanged)
and a cross; their colour noise, gray pairs and negative pairs are left out (docs/architecture.md).
"""

# Two frames of one object, at most 100 apart.
pair_sampler = dict(type='WindowFrames', count=2, span=100, views=dict(template=[0], search=[1]))
# The first frame twice, as template and as search area, and the frames that a cycle passes.
cycle_121_sampler = dict(
    type='WindowFrames', count=2, span=20, views=dict(template=[0], search=[0], hops=[1])
)
cycle_12321_sampler = dict(
    type='WindowFrames', count=3, span=20, views=dict(template=[0], search=[0], hops=[1, 2])
)

pair_pipeline = [
    dict(type='SiameseCrop', views=['template'], size=127, exemplar=127, shift_px=4, scale=0.05),
    dict(type='SiameseCrop', views=['search'], size=255, exemplar=127, shift_px=64, scale=0.18),
    dict(type='ViewMotionBlur', views=['search'], prob=0.2, kernel=(3, 9)),
    dict(type='PackSOTInputs', stacked=[], masks=['search']),
]
# A hop is found as the tracker finds it, so its search area lies as far off as a target moves
# between frames.
cycle_pipeline = [
    dict(type='SiameseCrop', views=['template'], size=127, exemplar=127, shift_px=4, scale=0.05),
    dict(type='SiameseCrop', views=['search'], size=255, exemplar=127, shift_px=64, scale=0.18),
    dict(type='SiameseCrop', views=['hops'], size=255, exemplar=127, shift_px=16, scale=0.05),
    dict(type='ViewMotionBlur', views=['search'], prob=0.2, kernel=(3, 9)),
    dict(type='PackSOTInputs', stacked=['hops'], masks=['search']),
]
