_base_ = ['./usot_r50_naive.py']
# USOT* without cycle memory: Table 4, "our generated boxes" (VOT2017/18 EAO 0.263).
model = dict(backbone=dict(init_cfg=dict(checkpoint='weights/imagenet_siamese_resnet50.pth')))
