"""Clips that must not be learnt from are in no training group, whatever the boxes come from."""

from __future__ import annotations

import json
import logging

import numpy as np
import pytest

from usot_plugin.datasets import CocoVIDDataset, DiscoveredBoxes, PseudoBoxDataset, USOTCropDataset
from usot_plugin.datasets.benchmarks import AnnotationError
from usot_plugin.datasets.benchmarks.sequence_lists import read_list
from usot_plugin.datasets.boxes.excluded_clips import RemainingTracks, excluded_names, is_excluded
from usot_plugin.datasets.frames.store_building import tracks_by_clip
from usot_plugin.testing.media import moving_square_frames
from usot_plugin.testing.tables import pseudo_track, write_table_part

from ..release_data import write_release


def test_the_list_of_vot_has_a_thousand_training_sequences():
    names = excluded_names('got10k_vot')
    assert len(names) == 1000 == sum(map(len, read_list('got10k_vot_prohibited')))
    assert min(names) == 'GOT-10k_Train_000004' and max(names) == 'GOT-10k_Train_009334'
    # One of each thousand, and neighbours that are not on the list.
    assert {
        f'GOT-10k_Train_{n:06d}' for n in (1003, 2005, 3003, 4478, 5389, 6984, 7905, 8001)
    } <= names
    assert not {f'GOT-10k_Train_{n:06d}' for n in (1, 1004, 2006, 3005, 4479, 7078, 9335)} & names


def test_names_from_a_file_and_from_a_list(tmp_path):
    (tmp_path / 'list.txt').write_text('# why\nclip_1.mp4\n\n  nested/a \n')
    assert (
        excluded_names(tmp_path / 'list.txt')
        == excluded_names(['clip_1.mp4', 'nested/a'])
        == {'clip_1.mp4', 'nested/a'}
    )
    names = excluded_names(str(tmp_path / 'list.txt'))
    assert [
        is_excluded(clip, names)
        for clip in ('clip_1.mp4', 'x/clip_1.mp4', 'nested/a', 'a', 'clip_1')
    ] == [True] * 3 + [False] * 2
    with pytest.raises(AnnotationError, match=r'gone\.txt: cannot be read'):
        excluded_names(tmp_path / 'gone.txt')


@pytest.mark.process
@pytest.mark.parametrize('source', ['discovered', 'random'])
def test_excluded_clips_are_drawn_by_no_source(rendered, source):
    options = dict(
        box_source=source,
        table=rendered / 'table',
        frame_sampler=dict(type='WindowFrames', count=1),
    )
    whole = PseudoBoxDataset(**options)
    dataset = PseudoBoxDataset(
        **options, exclude=['clip_1.mp4', 'clip_3.mp4', 'still.mp4'], samples_per_epoch=12
    )
    assert dataset.track_count == 2 and 'clip_1.mp4' in whole.source.clip_names()
    assert {dataset[index]['clip'] for index in range(12)} == {'clip_0.mp4', 'clip_2.mp4'}
    # What mines or stores crops reads the source, not the data set.
    assert [tracks[0].clip for tracks in tracks_by_clip(dataset.source)] == [
        'clip_0.mp4',
        'clip_2.mp4',
    ]
    assert dataset.source.clip_names() == ['clip_0.mp4', 'clip_2.mp4']


def test_got10k_without_the_sequences_of_vot(tmp_path):
    boxes = np.array([[i, 0, i + 20, 20] for i in range(6)], float)
    for number in (3, 4, 5, 9334):
        name = f'train/GOT-10k_Train_{number:06d}'
        write_table_part(tmp_path / 'table', name, tmp_path / name, pseudo_track(boxes))
    dataset = PseudoBoxDataset(table=tmp_path / 'table', exclude='got10k_vot')
    assert sorted(dataset.source.clip_names()) == [
        'train/GOT-10k_Train_000003',
        'train/GOT-10k_Train_000005',
    ]


def test_data_that_others_prepared_is_excluded_too(tmp_path):
    video = moving_square_frames(3, (96, 72), 20)
    annotation, crops = write_release(tmp_path, {'a': video, 'b': video})
    assert USOTCropDataset(annotation, crops, exclude=['a']).source.clip_names() == ['b']
    images = [{'id': i, 'video_id': i, 'frame_id': 0, 'file_name': f'{i}.png'} for i in (1, 2)]
    entries = [
        {'id': i, 'image_id': i, 'video_id': i, 'instance_id': 1, 'bbox': [1, 1, 9, 9]}
        for i in (1, 2)
    ]
    videos = [{'id': 1, 'name': 'a'}, {'id': 2, 'name': 'b'}]
    (tmp_path / 'a.json').write_text(
        json.dumps({'videos': videos, 'images': images, 'annotations': entries})
    )
    assert CocoVIDDataset(tmp_path / 'a.json', tmp_path, exclude=['b']).source.clip_names() == ['a']


def test_a_list_that_leaves_nothing_is_refused_and_one_that_leaves_all_is_told(
    rendered, monkeypatch
):
    source = DiscoveredBoxes(rendered / 'table')
    with pytest.raises(
        ValueError, match='exclude: all 4 tracks of DiscoveredBoxes are of excluded clips'
    ):
        RemainingTracks(source, source.clip_names())
    said = []
    monkeypatch.setattr(
        'usot_plugin.datasets.boxes.excluded_clips.print_log',
        lambda text, logger, level: said.append((text, level)),
    )
    assert len(RemainingTracks(source, ['clip-1'])) == 4
    assert said == [('exclude: 0 of 4 tracks are of the 1 excluded clips', logging.WARNING)]
