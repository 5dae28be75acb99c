"""Third round, without memory: exact boxes reach across frames, so the search area of a composite
is another frame than the template."""

_base_ = ['./usot_small_round1.py']
load_from = 'work_dirs/pretrained/round2/epoch_14.pth'

composites = dict(
    type='PseudoBoxDataset',
    box_source='annotated',
    sequences=dict(type='SequenceFolderDataset', data_root='work_dirs/pretrained/composites'),
    frame_sampler=dict(type='QualityFrames', memory=2, extra_memory=3, search_gap_frames=39),
    pipeline={{_base_.train_pipeline}},
)
train_dataloader = dict(
    dataset=dict(quotas=[500, 1100], datasets=[{{_base_.discovered}}, composites])
)
train_cfg = dict(by_epoch=True, max_epochs=36)
model = dict(train_cfg=dict(cycle_start_epoch=36))
optim_wrapper = dict(type='AutocastOptimWrapper')
# The rate does not come to rest here: the fourth round goes on.
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, begin=0, end=50, by_epoch=False),
    dict(
        type='CosineAnnealingLR',
        eta_min=1e-5,
        begin=0,
        end=48,
        by_epoch=True,
        convert_to_iter_based=True,
    ),
]
