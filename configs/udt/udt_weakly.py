_base_ = ['./dcfnet_supervised.py']
# UDT-Weakly: the consistency loss on crops up to 20 px beside annotated boxes, as a detector or
# flow would give them (Fig. 6).
model = dict(type='UDT')
train_dataloader = dict(
    dataset=dict(
        frame_sampler=dict(count=3),
        pipeline=[
            dict(type='ViewBoxOffset', views=['frames'], offset_px=20.0),
            dict(type='SiameseCrop', views=['frames'], size=125, window='scaled', scaled=3.0),
            dict(type='PackSOTInputs', single=[], stacked=['frames']),
        ],
    )
)
