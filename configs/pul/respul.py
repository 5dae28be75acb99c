_base_ = ['./alexpul.py']
# ResPUL: the same with CIResNet-22, from random weights (SiamDW starts from ImageNet).
model = dict(backbone=dict(_delete_=True, type='CIResNet'))
