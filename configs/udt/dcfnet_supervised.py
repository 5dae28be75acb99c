_base_ = ['./udt.py']
# The same network from annotated boxes (DCFNet; AUC 3 % above UDT in Fig. 6): each frame is cut
# around its own box. The annotation is made by: python tools/convert_imagenet_vid.py
# data/imagenet_vid
model = dict(type='DCFNet')
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='CocoVIDDataset',
        annotation='data/imagenet_vid/annotations/imagenet_vid_train.json',
        image_root='data/imagenet_vid/Data/VID',
        frame_sampler=dict(type='WindowFrames', count=2, span=10),
        samples_per_epoch=1_120_000,
        pipeline={{_base_.train_pipeline}},
    ),
)
