"""The weights that ship with the package, fine-tuned on a few unlabeled clips: minutes on two CPU
cores.

    usot adapt my_videos/ --out work_dirs/adapt

``usot adapt`` sets the clips, and load_from to the weights to begin with. Groups are composites of
the clips themselves, with exact boxes, as in the training of those weights; the backbone stays as
it is.
"""

_base_ = ['../pretrained/usot_mobile.py']

# The weights to begin with hold the backbone, too.
model = dict(backbone=dict(body=dict(init_cfg=None)))
load_from = 'usot_plugin/pretrained/usot_mobile.pth'

train_dataloader = dict(
    batch_size=16,
    dataset=dict(
        clips='work_dirs/adapt/clips',
        tracks=None,
        samples_per_epoch=160,
        clip_weights=None,
    ),
)
train_cfg = dict(max_epochs=5)
# A tenth of the rate of the first training: what the weights know has to stay.
optim_wrapper = dict(optimizer=dict(lr=1e-4))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, begin=0, end=10, by_epoch=False),
    dict(
        type='CosineAnnealingLR',
        eta_min=2e-6,
        begin=0,
        end=5,
        by_epoch=True,
        convert_to_iter_based=True,
    ),
]
default_hooks = dict(checkpoint=dict(interval=1, max_keep_ckpts=2), logger=dict(interval=5))
custom_hooks = [
    dict(type='FrozenBackboneHook', backbone='backbone.body', train_from_epoch=None, trained=()),
]
