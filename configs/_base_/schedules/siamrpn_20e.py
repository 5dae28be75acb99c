"""20 epochs: five of warm-up from 1e-3 to 5e-3, then down to 2.5e-3 on a straight line in log space
(published code of CycleSiam)."""

train_cfg = dict(by_epoch=True, max_epochs=20)
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=5e-3, momentum=0.9, weight_decay=1e-4),
    constructor='PartwiseOptimWrapperConstructor',
    paramwise_cfg=dict(parts={'backbone': dict(lr_mult=0.1)}),
    clip_grad=dict(max_norm=10.0),
)
# Both are at factor 1 in epoch index 4, which they share.
param_scheduler = [
    dict(type='LogSpaceLR', start_factor=0.2, begin=0, end=5),
    dict(type='LogSpaceLR', end_factor=0.5, begin=4, end=20),
]
auto_scale_lr = dict(base_batch_size=32)
