"""VOT2018, with resets: the sequences and the EAO window of VOT2017."""

_base_ = ['./vot2016.py']

test_dataloader = dict(
    dataset=dict(data_root='data/VOT2018', metainfo=dict(dataset_name='VOT2018'))
)
test_evaluator = dict(eao_low=100, eao_high=356)
