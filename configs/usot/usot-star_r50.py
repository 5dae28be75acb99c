_base_ = ['../usot_r50.py']
# USOT*: the backbone starts from ImageNet labels instead of MoCo-v2.
model = dict(
    backbone=dict(
        init_cfg=dict(type='Pretrained', checkpoint='weights/imagenet_siamese_resnet50.pth')
    )
)
