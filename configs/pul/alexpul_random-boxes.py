_base_ = ['./alexpul.py']
# Instances are random regions of random frames: what discovery is worth for this method.
discrimination = dict(train_dataloader=dict(dataset=dict(box_source='random')))
