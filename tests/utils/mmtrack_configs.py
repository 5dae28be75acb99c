"""Small configs in the form of MMTracking 1.x: a runtime, a benchmark and a model file each, joined
by ``_base_``."""

from __future__ import annotations

from pathlib import Path

RUNTIME = """
default_scope = 'mmtrack'
default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=10),
    checkpoint=dict(type='CheckpointHook', interval=2),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    visualization=dict(type='TrackVisualizationHook', draw=False))
env_cfg = dict(cudnn_benchmark=False, mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0), dist_cfg=dict(backend='nccl'))
vis_backends = [dict(type='LocalVisBackend')]
visualizer = dict(type='TrackLocalVisualizer', vis_backends=vis_backends, name='visualizer')
log_level = 'INFO'
load_from = None
resume = False
"""

BENCHMARK = """
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadTrackAnnotations', with_instance_id=False),
    dict(type='PackTrackInputs', pack_single_img=True)]
val_dataloader = dict(
    batch_size=1, num_workers=4, persistent_workers=True, drop_last=False, sampler=dict(type='VideoSampler'),
    dataset=dict(
        type={dataset!r}, data_root='data/', ann_file={ann_file!r}, data_prefix=dict(img_path={img_path!r}),
        pipeline=test_pipeline, test_mode=True))
test_dataloader = val_dataloader
val_evaluator = dict(type='SOTMetric', {metric})
test_evaluator = val_evaluator
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
"""

#: Data set, list file, prefix and metric of each benchmark file.
BENCHMARKS = {
    'otb100': (
        'OTB100Dataset',
        'OTB100/annotations/otb100_infos.txt',
        'OTB100',
        "metric='OPE', metric_options=dict(only_eval_visible=False)",
    ),
    'lasot': (
        'LaSOTDataset',
        'L/annotations/lasot_test_infos.txt',
        'L/B',
        "metric='OPE', metric_options=dict(only_eval_visible=True)",
    ),
    'uav123': ('UAV123Dataset', 'UAV123/annotations/uav123_infos.txt', 'UAV123', "metric=['OPE']"),
    'got10k': (
        'GOT10kDataset',
        'G/annotations/got10k_test_infos.txt',
        'G',
        "format_only=True, metric_options=dict(dataset_type='got10k')",
    ),
    'got10k_val': ('GOT10kDataset', 'G/annotations/got10k_val_infos.txt', 'G', "metric='OPE'"),
    'trackingnet': (
        'TrackingNetDataset',
        'T/annotations/trackingnet_test_infos.txt',
        'T',
        "format_only=True, metric_options=dict(dataset_type='trackingnet')",
    ),
    'vot2018': (
        'VOTDataset',
        'VOT2018/annotations/vot2018_infos.txt',
        'VOT2018',
        "metric='VOT', metric_options=dict(dataset_type='vot2018')",
    ),
}

#: A Siamese tracker trained on video and single images.
SIAMESE = """
_base_ = ['../_base_/runtime.py']
randomness = dict(seed=1, deterministic=True)
find_unused_parameters = True
crop_size, exemplar_size, search_size = 511, 127, 255
model = dict(type='SiamRPN', backbone=dict(type='SOTResNet', depth=50), test_cfg=dict(rpn=dict(penalty_k=0.05)))
data_root = 'data/'
train_pipeline = [
    dict(type='PairSampling', frame_range=100, pos_prob=0.8, filter_template_img=False),
    dict(type='TransformBroadcaster', share_random_params=False, transforms=[
        dict(type='LoadImageFromFile'),
        dict(type='LoadTrackAnnotations', with_instance_id=False),
        dict(type='CropLikeSiamFC', context_amount=0.5, exemplar_size=exemplar_size, crop_size=crop_size)]),
    dict(type='TransformBroadcaster', share_random_params=True, transforms=dict(type='GrayAug', prob=0.2)),
    dict(type='SeqShiftScaleAug', target_size=[exemplar_size, search_size], shift=[4, 64], scale=[0.05, 0.18]),
    dict(type='SeqColorAug', prob=[1.0, 1.0]),
    dict(type='SeqBlurAug', prob=[0.0, 0.2]),
    dict(type='PackTrackInputs', ref_prefix='search', num_template_frames=1)]
train_dataloader = dict(
    batch_size=28, num_workers=4, persistent_workers=True, sampler=dict(type='QuotaSampler', samples_per_epoch=600000),
    dataset=dict(
        type='RandomSampleConcatDataset', dataset_sampling_weights=[0.25, 0.75],
        datasets=[
            dict(type='SOTImageNetVIDDataset', data_root=data_root, ann_file='ILSVRC/annotations/imagenet_vid_train.json',
                 data_prefix=dict(img_path='ILSVRC/Data/VID'), pipeline=train_pipeline, test_mode=False),
            dict(type='SOTCocoDataset', data_root=data_root, ann_file='coco/annotations/instances_train2017.json',
                 data_prefix=dict(img_path='coco/train2017'), pipeline=train_pipeline, test_mode=False)]))
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=20, val_begin=10, val_interval=1)
param_scheduler = [
    dict(type='SiamRPNExpLR', start_factor=0.2, end_factor=1.0, by_epoch=True, begin=0, end=5, endpoint=False),
    dict(type='MultiStepLR', milestones=[15], gamma=0.1)]
optim_wrapper = dict(
    type='OptimWrapper', optimizer=dict(type='SGD', lr=0.005, momentum=0.9, weight_decay=0.0001),
    clip_grad=dict(max_norm=10.0, norm_type=2),
    paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=0.1, decay_mult=1.0))))
custom_hooks = [dict(type='SiamRPNBackboneUnfreezeHook', backbone_start_train_epoch=10, backbone_train_layers=['layer2', 'layer3'])]
"""

#: A transformer tracker trained on benchmarks' training parts.
STARK = """
_base_ = ['../_base_/runtime.py']
model = dict(type='Stark', test_cfg=dict(search_factor=5.0))
data_root = 'data/'
train_pipeline = [
    dict(type='TridentSampling', num_search_frames=1, num_template_frames=2, max_frame_range=[200], cls_pos_prob=0.5, train_cls_head=False),
    dict(type='TransformBroadcaster', share_random_params=True, transforms=[
        dict(type='LoadImageFromFile'),
        dict(type='LoadTrackAnnotations', with_instance_id=False),
        dict(type='mmdet.RandomFlip', prob=0.5, direction='horizontal')]),
    dict(type='SeqBboxJitter', center_jitter_factor=[0, 0, 4.5], scale_jitter_factor=[0, 0, 0.5], crop_size_factor=[2, 2, 5]),
    dict(type='SeqCropLikeStark', crop_size_factor=[2, 2, 5], output_size=[128, 128, 320]),
    dict(type='TransformBroadcaster', share_random_params=True, transforms=[dict(type='BrightnessAug', jitter_range=0.2)]),
    dict(type='PackTrackInputs', ref_prefix='search', num_template_frames=2)]
train_dataloader = dict(
    batch_size=16, num_workers=4, sampler=dict(type='QuotaSampler', samples_per_epoch=60000),
    dataset=dict(
        type='RandomSampleConcatDataset', dataset_sampling_weights=[1, 1, 1],
        datasets=[
            dict(type='GOT10kDataset', data_root=data_root, ann_file='G/annotations/got10k_train_vot_infos.txt',
                 data_prefix=dict(img_path='G'), pipeline=train_pipeline, test_mode=False),
            dict(type='LaSOTDataset', data_root=data_root, ann_file='L/annotations/lasot_train_infos.txt',
                 data_prefix=dict(img_path='L/B'), pipeline=train_pipeline, test_mode=False),
            dict(type='TrackingNetDataset', chunks_list=[0, 3], data_root=data_root, ann_file='T/annotations/trackingnet_train_infos.txt',
                 data_prefix=dict(img_path='T'), pipeline=train_pipeline, test_mode=False)]))
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=500, val_begin=500, val_interval=1)
param_scheduler = dict(type='MultiStepLR', milestones=[400], gamma=0.1)
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=0.0001, weight_decay=0.0001))
default_hooks = dict(checkpoint=dict(type='CheckpointHook', interval=100))
"""


def write_configs(root: Path) -> Path:
    """``root/_base_/{runtime, otb100, ...}.py`` and ``root/sot/{siamese, stark}_{otb100, ...}.py``;
    returns ``root/sot``."""
    base, sot = root / '_base_', root / 'sot'
    base.mkdir(parents=True)
    sot.mkdir()
    (base / 'runtime.py').write_text(RUNTIME)
    for kind, text in (('siamese', SIAMESE), ('stark', STARK)):
        (sot / f'{kind}_base.py').write_text(text)
    for name, (dataset, ann_file, img_path, metric) in BENCHMARKS.items():
        (base / f'{name}.py').write_text(
            BENCHMARK.format(dataset=dataset, ann_file=ann_file, img_path=img_path, metric=metric)
        )
        for kind in ('siamese', 'stark'):
            (sot / f'{kind}_{name}.py').write_text(
                f"_base_ = ['../_base_/{name}.py', './{kind}_base.py']\n"
                f"val_evaluator = dict(outfile_prefix='results/{kind}_{name}')\ntest_evaluator = "
                'val_evaluator\n'
            )
    return sot
