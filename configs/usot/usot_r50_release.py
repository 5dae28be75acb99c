"""Trains as the release does: its crops, raw pixels, its pooling axis, its way to freeze, all
checkpoints kept.

Not its own are what has no switch in docs/architecture.md ("What differs on purpose"): the centre
of the class label, memory frames without repeats, and how the augmentations of a range are drawn.

Its number is the best of the checkpoints of epochs 10 to 30: tools/analysis/compare_epochs.py.
"""

_base_ = ['./usot_r50_release-crops.py']

# The published weights saw raw BGR pixels of 0..255 in training too.
model = dict(legacy=True, data_preprocessor=dict(_delete_=True, type='SOTDataPreprocessor'))
custom_hooks = [
    dict(
        type='FrozenBackboneHook',
        train_from_epoch=9,
        trained=('layer1', 'layer2', 'layer3'),
        legacy=True,
    )
]
default_hooks = dict(checkpoint=dict(max_keep_ckpts=-1))
