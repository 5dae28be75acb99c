from __future__ import annotations

import pickle
from collections import Counter

import pytest
import torch
from mmengine.dataset import BaseDataset, DefaultSampler

from usot_plugin.datasets.mixture import QuotaMixture
from usot_plugin.registry import DATASETS


@pytest.fixture
def parts(rendered):
    boxes = [{'type': 'PackSOTInputs', 'single': ['template']}]
    crop = [{'type': 'SiameseCrop', 'views': ['template'], 'size': 127, 'shift_px': 4}]
    common = {'type': 'PseudoBoxDataset', 'pipeline': crop + boxes}
    return [
        {'table': str(rendered / 'table'), **common},
        {'box_source': 'random', 'clips': str(rendered / 'clips'), **common},
    ]


def test_each_part_gives_its_quota(parts):
    mixture = DATASETS.build({'type': 'QuotaMixture', 'datasets': parts, 'quotas': [3, 5]})
    assert len(mixture) == 8
    counts = Counter(mixture._get_ori_dataset_idx(index)[0] for index in DefaultSampler(mixture, shuffle=True, seed=0))
    assert counts == {0: 3, 1: 5}
    assert len(QuotaMixture(parts)) == 8  # by default their own lengths, 4 and 4


def test_an_epoch_is_a_pure_function_of_its_number(parts):
    first, second = (QuotaMixture(parts, quotas=[3, 3]) for _ in range(2))
    first.set_epoch(5)
    drawn = [first[i]['inputs']['template'] for i in range(6)]
    for epoch in range(6):  # another way to the same epoch
        second.set_epoch(epoch)
        again = [second[i]['inputs']['template'] for i in range(6)]
    assert all(torch.equal(a, b) for a, b in zip(drawn, again, strict=True))


def test_parts_draw_different_numbers(parts):
    mixture = QuotaMixture([parts[1], parts[1]], quotas=[4, 4])
    assert any(mixture[i]['data_samples'].frame_index != mixture[i + 4]['data_samples'].frame_index for i in range(4))


def test_stage_and_epoch_reach_every_part(parts):
    mixture = QuotaMixture(parts)
    mixture.set_stage('cycle')
    mixture.set_epoch(3)
    assert {(d.stage, d.epoch) for d in mixture.datasets} == {('cycle', 3)}
    assert len(pickle.dumps(mixture)) < 40_000


@pytest.mark.parametrize('quotas', [[3], [3, 0]])
def test_wrong_quotas_are_refused(parts, quotas):
    with pytest.raises(ValueError, match='2 data sets need as many positive quotas'):
        QuotaMixture(parts, quotas=quotas)


def test_only_training_sets_can_be_mixed(parts):
    other = BaseDataset(lazy_init=True, metainfo={'task_name': 'single_object_tracking'})
    with pytest.raises(TypeError, match='mixes PseudoBoxDataset'):
        QuotaMixture([parts[0], other])
