_base_ = ['../s2siamfc/siamfc_supervised.py']
# The supervised base of ResPUL: SiamFC with CIResNet-22 from annotated pairs, search area 255 px (a
# response of 17x17). Trained by tools/train.py; SiamDW's own schedule unfreezes an ImageNet network
# step by step, which random weights have no use for.
model = dict(backbone=dict(_delete_=True, type='CIResNet'))
train_dataloader = dict(
    dataset=dict(
        pipeline=[
            dict(
                type='SiameseCrop',
                views=['template'],
                size=127,
                exemplar=127,
                shift_px=4,
                scale=0.05,
            ),
            dict(
                type='SiameseCrop', views=['search'], size=255, exemplar=127, shift_px=8, scale=0.05
            ),
            dict(type='PackSOTInputs', stacked=[]),
        ]
    )
)
