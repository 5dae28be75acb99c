from __future__ import annotations

import json
import pickle
from collections import Counter
from pathlib import Path

import pytest
import torch
from mmengine.dataset import BaseDataset, DefaultSampler

from usot_plugin.datasets import CocoVIDDataset
from usot_plugin.datasets.mixture import QuotaMixture, hand_on
from usot_plugin.datasets.synthetic.clips import render_clip, write_sequence
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


@pytest.mark.process
def test_each_part_gives_its_quota(parts):
    mixture = DATASETS.build({'type': 'QuotaMixture', 'datasets': parts, 'quotas': [3, 5]})
    assert len(mixture) == 8
    counts = Counter(
        mixture._get_ori_dataset_idx(index)[0]
        for index in DefaultSampler(mixture, shuffle=True, seed=0)
    )
    assert counts == {0: 3, 1: 5}
    assert len(QuotaMixture(parts)) == 8  # by default their own lengths, 4 and 4


@pytest.mark.process
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
    assert any(
        mixture[i]['data_samples'].frame_index != mixture[i + 4]['data_samples'].frame_index
        for i in range(4)
    )


def test_stage_and_epoch_reach_every_part(parts):
    mixture = QuotaMixture(parts)
    mixture.set_stage('cycle')
    mixture.set_epoch(3)
    assert {(d.stage, d.epoch) for d in mixture.datasets} == {('cycle', 3)}
    assert len(pickle.dumps(mixture)) < 40_000


@pytest.mark.parametrize('quotas', [[3], [3, -1], [0, 0]])
def test_wrong_quotas_are_refused(parts, quotas):
    with pytest.raises(ValueError, match='2 data sets need as many quotas, one of them above 0'):
        QuotaMixture(parts, quotas=quotas)


def test_only_training_sets_can_be_mixed(parts):
    other = BaseDataset(lazy_init=True, metainfo={'task_name': 'single_object_tracking'})
    with pytest.raises(TypeError, match='mixes PseudoBoxDataset'):
        QuotaMixture([parts[0], other])


@pytest.mark.process
def test_a_part_with_quota_0_is_left_out_and_its_files_not_looked_for(parts):
    missing = dict(parts[0], table='nowhere')
    mixture = QuotaMixture([missing, parts[1]], quotas=[0, 4])
    assert len(mixture) == 4 and len(mixture.datasets) == 1
    # The other part draws as it does in a mixture of both: its random numbers belong to its place.
    both = QuotaMixture(parts, quotas=[3, 4])
    assert all(
        torch.equal(mixture[i]['inputs']['template'], both[3 + i]['inputs']['template'])
        for i in range(4)
    )


@pytest.fixture(scope='module')
def sequences(tmp_path_factory):
    root = tmp_path_factory.mktemp('annotated')
    for number in range(10):
        video, boxes = render_clip(number, 6, (96, 72), occluders=0)
        write_sequence(root / f'seq_{number}', video, boxes[0])
    return {'type': 'SequenceFolderDataset', 'data_root': str(root)}


@pytest.fixture
def semi(parts, sequences):
    annotated = {key: value for key, value in parts[0].items() if key != 'table'}
    return [dict(annotated, box_source='annotated', sequences=sequences), parts[0]]


@pytest.mark.process
@pytest.mark.parametrize(('share', 'tracks'), [(0.01, 1), (0.1, 1), (0.3, 3), (1.0, 10)])
def test_a_share_of_the_labels(semi, share, tracks):
    mixture = QuotaMixture(semi, quotas=[20, 10], label_share=share)
    assert [len(part) for part in mixture.datasets] == [20, 10]
    assert mixture.datasets[0].track_count == tracks
    assert len({mixture[i]['data_samples'].clip for i in range(20)}) == tracks


@pytest.mark.process
def test_shares_are_nested_and_their_seed_decides(semi):
    def clips(share, seed=0):
        source = (
            QuotaMixture(semi, quotas=[1, 1], label_share=share, label_seed=seed).datasets[0].source
        )
        return {source.track(row).clip for row in range(len(source))}

    assert clips(0.2) < clips(0.5) < clips(1.0)
    assert clips(0.5) == clips(0.5)
    assert any(clips(0.5) != clips(0.5, seed) for seed in range(1, 4))


def test_no_labels_leaves_the_epoch_as_long_as_it_was(semi):
    mixture = QuotaMixture(
        [dict(semi[0], sequences='nowhere'), semi[1]], quotas=[20, 10], label_share=0
    )
    assert len(mixture) == 30 and len(mixture.datasets) == 1


@pytest.mark.parametrize(
    ('quotas', 'dropped', 'expected'),
    [
        ([10, 10, 20], [True, False, False], [0, 13, 27]),
        ([5, 1], [False, True], [6, 0]),
        ([7, 3, 3, 3], [True, False, False, False], [0, 5, 6, 5]),
    ],
)
def test_quotas_are_handed_on_in_proportion(quotas, dropped, expected):
    got = hand_on(quotas, dropped)
    assert (
        sum(got) == sum(quotas) and max(abs(a - b) for a, b in zip(got, expected, strict=True)) <= 1
    )
    assert all(value == 0 for value, gone in zip(got, dropped, strict=True) if gone)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'label_share': 1.5}, 'between 0 and 1'),
        ({'label_share': 0, 'quotas': [3, 0]}, 'nothing is left to draw from'),
    ],
)
def test_impossible_shares_are_refused(semi, options, message):
    with pytest.raises(ValueError, match=message):
        QuotaMixture(semi, **options)


def test_a_share_without_annotated_parts_is_refused(parts):
    with pytest.raises(
        ValueError, match="no part has labels .box_source='annotated', or annotated=True"
    ):
        QuotaMixture(parts, label_share=0.1)


@pytest.fixture(scope='module')
def coco(tmp_path_factory, sequences):
    root = Path(sequences['data_root'])
    images = [
        {'id': i, 'video_id': 1, 'frame_id': i, 'file_name': f'seq_0/img/{i + 1:08d}.jpg'}
        for i in range(3)
    ]
    boxes = [{'id': i, 'image_id': i, 'instance_id': 1, 'bbox': [10, 10, 30, 20]} for i in range(3)]
    file = tmp_path_factory.mktemp('coco') / 'a.json'
    file.write_text(
        json.dumps({'videos': [{'id': 1, 'name': 'seq_0'}], 'images': images, 'annotations': boxes})
    )
    return {'type': 'CocoVIDDataset', 'annotation': str(file), 'image_root': str(root)}


@pytest.mark.process
@pytest.mark.parametrize(
    ('annotated', 'share', 'lengths'),
    [(True, 0, [30]), (True, 1, [10, 10, 10]), (False, 0, [15, 15]), (False, 0.1, [10, 10, 10])],
)
def test_a_coco_file_says_whether_its_boxes_are_labels(coco, semi, annotated, share, lengths):
    mixture = QuotaMixture(
        [dict(coco, annotated=annotated), *semi], quotas=[10, 10, 10], label_share=share
    )
    assert [len(part) for part in mixture.datasets] == lengths
    assert any(isinstance(part, CocoVIDDataset) for part in mixture.datasets) == (
        not annotated or share > 0
    )


@pytest.mark.process
@pytest.mark.parametrize('built', [False, True])
def test_a_coco_file_that_does_not_say_it_is_refused(coco, semi, built):
    part = DATASETS.build(coco) if built else coco
    with pytest.raises(
        ValueError,
        match=r'part 1 \(CocoVIDDataset\) does not say whether its boxes are labels: '
        r'annotated=True, or',
    ):
        QuotaMixture([semi[0], part], quotas=[1, 1], label_share=0)
    assert len(QuotaMixture([semi[0], part], quotas=[1, 1])) == 2  # nobody asks


@pytest.mark.process
@pytest.mark.parametrize('case', ['coco', 'built'])
def test_a_share_that_cannot_be_taken_is_refused(coco, semi, case):
    part = dict(coco, annotated=True) if case == 'coco' else DATASETS.build(semi[0])
    with pytest.raises(ValueError, match=r'label_share=0.5 of \w+ cannot be taken'):
        QuotaMixture([part, semi[1]], quotas=[1, 1], label_share=0.5)
    assert len(QuotaMixture([part, semi[1]], quotas=[1, 1], label_share=0).datasets) == 1


@pytest.mark.process
@pytest.mark.parametrize(
    'source', ['annotated_masks', 'annotated_first_masks', {'type': 'AnnotatedMasks'}]
)
def test_masks_are_labels_too(semi, source):
    labelled = dict(semi[0], box_source=source)
    assert len(QuotaMixture([labelled, semi[1]], quotas=[2, 2], label_share=0).datasets) == 1
    shared = QuotaMixture([labelled, semi[1]], quotas=[2, 2], label_share=0.3).datasets[0]
    assert (
        type(shared.source).__name__ in ('AnnotatedMasks', 'AnnotatedFirstMasks')
        and shared.track_count == 3
    )
