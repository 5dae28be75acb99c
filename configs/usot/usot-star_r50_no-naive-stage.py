_base_ = ['./usot_r50_no-naive-stage.py']
# USOT* with cycle memory from the first epoch on: Table 4, "w/o naive Siamese learning" (VOT2017/18 EAO 0.306 against 0.344).
model = dict(backbone=dict(init_cfg=dict(checkpoint='weights/imagenet_siamese_resnet50.pth')))
