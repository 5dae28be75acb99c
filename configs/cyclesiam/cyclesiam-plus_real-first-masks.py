_base_ = ['./cyclesiam-plus.py']
# Real masks of first frames, as in the published version: no longer label-free. They are those of
# DAVIS-2017's training part.
train_dataloader = dict(
    dataset=dict(
        box_source='annotated_first_masks',
        table=None,
        sequences=dict(type='DAVISDataset', data_root='data/DAVIS', subset='2017', split='train'),
        samples_per_epoch=6_000,
    ),
)
