"""50 epochs of SGD in batches of 8; the learning rate falls from 1e-2 to 1e-5 on a straight line in
log space."""

train_cfg = dict(by_epoch=True, max_epochs=50)
optim_wrapper = dict(
    type='OptimWrapper', optimizer=dict(type='SGD', lr=1e-2, momentum=0.9, weight_decay=5e-4)
)
param_scheduler = [dict(type='LogSpaceLR', end_factor=1e-5 / 1e-2, begin=0, end=50)]
auto_scale_lr = dict(base_batch_size=8)
