"""10 epochs of AdamW with a short warm-up, then a cosine: small networks from random weights.

Adam learns such a network several times faster than the SGD of the large ones.
"""

train_cfg = dict(by_epoch=True, max_epochs=10)
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=1e-3, weight_decay=1e-4),
    clip_grad=dict(max_norm=10.0),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, begin=0, end=50, by_epoch=False),
    dict(
        type='CosineAnnealingLR',
        eta_min=2e-5,
        begin=0,
        end=10,
        by_epoch=True,
        convert_to_iter_based=True,
    ),
]
