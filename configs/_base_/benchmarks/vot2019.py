"""VOT2019, with resets; other sequences and another EAO window than VOT2016."""

_base_ = ['./vot2016.py']

test_dataloader = dict(
    dataset=dict(data_root='data/VOT2019', metainfo=dict(dataset_name='VOT2019'))
)
test_evaluator = dict(eao_low=46, eao_high=291)
