_base_ = ['./cyclesiam.py']
# The first box from a saliency map, as the published scripts take it; such boxes are one a group, found in its first frame, so all of its
# crops lie around the same place.
train_dataloader = dict(dataset=dict(box_source='saliency'))
