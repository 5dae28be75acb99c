"""Three frames within ten, each cut to three times the box and resized to 125 px; no augmentation
(UDT, Sec. 3.4)."""

frame_sampler = dict(type='WindowFrames', count=3, span=10)

train_pipeline = [
    dict(type='SiameseCrop', views=['frames'], size=125, window='scaled', scaled=3.0),
    dict(type='PackSOTInputs', single=[], stacked=['frames']),
]
