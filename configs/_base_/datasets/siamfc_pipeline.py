"""Crops of SiamFC training pairs: template 127 px, search area 239 px (a response of 15x15)."""

# Two frames of one object, at most 100 apart (SiamFC, Sec. 2.3).
pair_sampler = dict(type='WindowFrames', count=2, span=100, views=dict(template=[0], search=[1]))
# Template and search area from one image (S2SiamFC, Sec. 3.2).
single_sampler = dict(type='WindowFrames', count=1, span=1, views=dict(template=[0], search=[0]))

# The 239 px are a random part of 255 px; that and the stretch are the usual SiamFC augmentation.
pair_pipeline = [
    dict(type='SiameseCrop', views=['template'], size=127, exemplar=127, shift_px=4, scale=0.05),
    dict(type='SiameseCrop', views=['search'], size=239, exemplar=127, shift_px=8, scale=0.05),
    dict(type='PackSOTInputs', stacked=[]),
]

# One image shows one appearance: rotation and colour stand in for the change that another frame
# would bring. The paper names them ("random rotation, color jitter, etc."), the amounts are ours.
single_pipeline = [
    dict(type='SiameseCrop', views=['template'], size=127, exemplar=127, shift_px=4, scale=0.05),
    dict(type='SiameseCrop', views=['search'], size=239, exemplar=127, shift_px=8, scale=0.15),
    dict(type='ViewRotate', views=['template'], prob=0.5, degrees=10),
    dict(
        type='ViewHueSaturation',
        views=['template', 'search'],
        prob=0.8,
        hue=(0.95, 1.05),
        saturation=(0.8, 1.2),
    ),
    dict(type='ViewBrightness', views=['template', 'search'], prob=0.8, factor=(0.8, 1.2)),
    dict(type='ViewMotionBlur', views=['search'], prob=0.3, kernel=(3, 7)),
    dict(type='PackSOTInputs', stacked=[]),
]
