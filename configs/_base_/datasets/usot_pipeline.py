"""Crops and augmentation of USOT training groups.

Sizes, shifts, scales, probabilities and ranges are the release's. Ours are the direction and
evenness of motion blur, the grid of dropout, and that dropout and salt and pepper change all
channels alike (docs/architecture.md, "What differs on purpose").
"""

train_pipeline = [
    dict(type='SiameseCrop', views=['template'], size=127, exemplar=127, shift_px=4, scale=0.05),
    dict(
        type='SiameseCrop',
        views=['search', 'memory'],
        size=255,
        exemplar=127,
        shift_px=64,
        scale=0.18,
    ),
    dict(type='ViewFlip', views=['template', 'memory'], prob=0.4, axis='horizontal'),
    dict(type='ViewFlip', views=['template', 'memory'], prob=0.2, axis='vertical'),
    dict(type='ViewPerspective', views=['template'], scale=(0.01, 0.07)),
    dict(type='ViewPerspective', views=['memory'], scale=(0.01, 0.15)),
    dict(type='ViewCoarseDropout', views=['template'], share=(0.0, 0.05)),
    dict(type='ViewSaltPepper', views=['template'], share=(0.05, 0.05)),
    dict(
        type='ViewHueSaturation', views=['search', 'memory'], hue=(0.5, 1.5), saturation=(0.5, 1.5)
    ),
    dict(type='ViewBrightness', views=['search', 'memory'], factor=(0.5, 1.5)),
    dict(type='ViewMotionBlur', views=['search', 'memory'], kernel=(3, 9)),
    dict(type='PackSOTInputs'),
]
