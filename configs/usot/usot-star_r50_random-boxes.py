_base_ = ['./usot_r50_random-boxes.py']
# USOT* on random regions, naive stage only: Table 4, "random boxes" (VOT2017/18 EAO 0.195).
model = dict(backbone=dict(init_cfg=dict(checkpoint='weights/imagenet_siamese_resnet50.pth')))
