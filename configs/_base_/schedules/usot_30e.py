"""USOT's 30 epochs: 5 naive ones with rising learning rate, 25 with cycle memory; the backbone
learns from epoch 10 on (index 9)."""

train_cfg = dict(by_epoch=True, max_epochs=30)

optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=5e-3, momentum=0.9, weight_decay=1e-4),
    constructor='PartwiseOptimWrapperConstructor',
    paramwise_cfg=dict(parts={'backbone': dict(lr_mult=0.1)}),
)

# Both are at factor 1 in epoch index 5, which they share.
param_scheduler = [
    dict(type='LogSpaceLR', start_factor=0.5, begin=0, end=6),
    dict(type='LogSpaceLR', end_factor=2e-5 / 5e-3, begin=5, end=30),
]

# legacy=True repeats two quirks of the release: batch norm of the frozen backbone moves, and
# momentum is lost when it begins to learn.
custom_hooks = [
    dict(type='FrozenBackboneHook', train_from_epoch=9, trained=('layer1', 'layer2', 'layer3'))
]

# 12 training groups on each of 4 GPUs; used with --auto-scale-lr.
auto_scale_lr = dict(base_batch_size=48)
