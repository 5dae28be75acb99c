"""What a search may look at: named sequences, no test split; and its ranges."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from usot_plugin.evaluation.tuning import (
    SPACE,
    Range,
    choose_sequences,
    reported_split_reason,
    search_space,
)
from usot_plugin.tracking import StandStill, USOTTracker


def test_default_space_is_what_the_tracker_has():
    assert search_space(USOTTracker) == SPACE

    class Fewer(StandStill):
        def __init__(self, window_influence: float = 0.2) -> None:
            self.window_influence = window_influence

    assert search_space(Fewer) == {'window_influence': SPACE['window_influence']}
    with pytest.raises(ValueError, match='StandStill has none of the options window_influence'):
        search_space(StandStill)


def test_asked_ranges():
    space = search_space(USOTTracker, ['penalty_k=0.01:0.3', 'memory_size=5:7', 'size_lr=1e-3:1'])
    assert space == {
        'penalty_k': Range(0.01, 0.3),
        'memory_size': Range(5, 7, whole=True),
        'size_lr': Range(0.001, 1),
    }


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('penalti_k=0:1', "USOTTracker has no option 'penalti_k', did you mean 'penalty_k'"),
        ('penalty_k=0.1', 'expected option=low:high'),
        ('penalty_k=a:b', 'expected option=low:high'),
        ('penalty_k=0.5:0.1', '0.5 is not below 0.1'),
    ],
)
def test_ranges_that_mean_nothing(text, message):
    with pytest.raises(ValueError, match=message):
        search_space(USOTTracker, [text])


def dataset(kind: str, **attributes: object) -> object:
    return type(kind, (SimpleNamespace,), {})(**attributes)


@pytest.mark.parametrize(
    ('data', 'reason'),
    [
        (dataset('GOT10kDataset', subset='val', metainfo={'dataset_name': 'GOT-10k val'}), None),
        (
            dataset('GOT10kDataset', subset='test', metainfo={'dataset_name': 'GOT-10k test'}),
            'GOT-10k test is what papers report on',
        ),
        (
            dataset('OTB100Dataset', metainfo={'dataset_name': 'OTB100'}),
            'OTB100 is what papers report on',
        ),
        (dataset('SequenceFolderDataset', metainfo={'dataset_name': 'my_videos'}), None),
        (
            dataset('SequenceFolderDataset', metainfo={'dataset_name': 'otb_100'}),
            'the folder is called like the benchmark otb_100',
        ),
        (dataset('OwnDataset', metainfo={'dataset_name': 'own', 'tuning_allowed': True}), None),
        (
            dataset('OwnDataset', metainfo={'dataset_name': 'own', 'tuning_allowed': False}),
            'own says so itself',
        ),
    ],
)
def test_test_splits(data, reason):
    assert reported_split_reason(data) == reason


def test_choice_of_sequences(tmp_path):
    names = list('abcdef')
    assert choose_sequences(names, every=2) == ['a', 'c', 'e'] and choose_sequences(
        names, every=2, offset=1
    ) == ['b', 'd', 'f']
    (tmp_path / 'list.txt').write_text('e\n\nb\n')
    assert choose_sequences(names, tmp_path / 'list.txt') == ['b', 'e']
    assert choose_sequences(names, only=['f', 'a']) == ['a', 'f']
    for options, message in (
        (dict(listed=tmp_path / 'no.txt'), 'no.txt: cannot be read as a list'),
        (dict(only=['g']), "no sequence 'g'"),
        (dict(only=['b'], every=2), 'no sequence is left'),
        (dict(every=2, offset=2), '--offset below it, got 2 and 2'),
    ):
        with pytest.raises(ValueError, match=message):
            choose_sequences(names, **options)
