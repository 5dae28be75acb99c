"""UDT's 50 epochs: SGD from 1e-2 to 1e-5 on a line in log space, weight decay 5e-3 (the PyTorch
release has 5e-5)."""

train_cfg = dict(by_epoch=True, max_epochs=50)
optim_wrapper = dict(
    type='OptimWrapper', optimizer=dict(type='SGD', lr=1e-2, momentum=0.9, weight_decay=5e-3)
)
param_scheduler = [dict(type='LogSpaceLR', end_factor=1e-3, begin=0, end=50)]
# 32 groups a step, however many GPUs share them; used with --auto-scale-lr.
auto_scale_lr = dict(base_batch_size=32)
