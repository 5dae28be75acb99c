_base_ = ['./cyclesiam.py']
# The first box from a saliency map, as the published scripts take it; such boxes are one a clip, so all crops lie around the same place.
train_dataloader = dict(dataset=dict(box_source='saliency'))
