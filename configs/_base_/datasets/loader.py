"""How training groups are read; the config beside it says what is read, and how many at once."""

train_dataloader = dict(
    num_workers=8,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
)
