_base_ = ['./usot_small_round1.py']
# From the first round's weights, mostly with cycle memory, and with more of the exact boxes: they
# steady the size.
load_from = 'work_dirs/pretrained/round1/epoch_16.pth'
train_dataloader = dict(dataset=dict(quotas=[600, 1000]))
train_cfg = dict(by_epoch=True, max_epochs=14)
model = dict(train_cfg=dict(cycle_start_epoch=3))
optim_wrapper = dict(optimizer=dict(lr=8e-4))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, begin=0, end=50, by_epoch=False),
    dict(
        type='CosineAnnealingLR',
        eta_min=2e-5,
        begin=0,
        end=14,
        by_epoch=True,
        convert_to_iter_based=True,
    ),
]
