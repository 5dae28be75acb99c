from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from pytest import approx

from usot_plugin.datasets.boxes.box_sources import (
    CentreBoxes,
    DiscoveredBoxes,
    RandomBoxes,
    clip_path,
)
from usot_plugin.datasets.pseudo_box_dataset import PseudoBoxDataset
from usot_plugin.testing.tables import pseudo_track, write_table_part
from usot_plugin.utils.config import load_config

ROOT = Path(__file__).parents[3]


def never(index: int) -> np.ndarray:
    raise AssertionError('no frame is needed')


def test_discovered_boxes_are_the_kept_rows(rendered):
    source = DiscoveredBoxes(rendered / 'table')
    assert len(source) == 4  # the skipped clip is not there
    track = source.track(2)
    assert (track.clip, track.length, track.first_frame) == ('clip_2.mp4', 20, 0)
    boxes = source.boxes(track, [3, 7], never, np.random.default_rng(0))
    np.testing.assert_array_equal(boxes, track.boxes_xyxy[[3, 7]])
    assert boxes.dtype == np.float64
    assert source.sequence_quality == approx(np.full(4, 0.6)) and source.samplable.all()


def test_a_source_travels_to_a_worker_as_a_path_and_a_few_columns(rendered):
    source = DiscoveredBoxes(rendered / 'table')
    data = pickle.dumps(source)
    assert len(data) < 2000
    np.testing.assert_array_equal(
        pickle.loads(data).track(1).boxes_xyxy, source.track(1).boxes_xyxy
    )


def test_first_frame_counts_from_the_start_of_the_clip(tmp_path):
    boxes = np.array([[i, 0, i + 5, 9] for i in range(6)], float)
    write_table_part(
        tmp_path / 'table', 'a/b.mp4', Path('/old/a/b.mp4'), pseudo_track(boxes, first_frame=100)
    )
    source = DiscoveredBoxes(tmp_path / 'table', video_root='/new')
    track = source.track(0)
    assert track.path == str(Path('/new/a/b.mp4'))
    assert track.usable_frames().tolist() == list(range(100, 106))
    assert source.boxes(track, [104], never, np.random.default_rng(0))[0].tolist() == [4, 0, 9, 9]
    assert track.fragment(103) == (100, 105)


def test_moved_clips_find_their_frame_folder(tmp_path):
    (tmp_path / 'swan' / 'img').mkdir(parents=True)
    (tmp_path / 'bear').mkdir()
    assert clip_path(tmp_path, 'swan') == str(tmp_path / 'swan' / 'img')
    assert clip_path(tmp_path, 'bear') == str(tmp_path / 'bear')


def test_a_table_without_a_kept_trajectory_is_refused(tmp_path):
    write_table_part(tmp_path / 'table', 'a.mp4', Path('a.mp4'), None)
    with pytest.raises(ValueError, match='no trajectory was kept'):
        DiscoveredBoxes(tmp_path / 'table')


def test_random_boxes_fill_the_frame_evenly():
    source = RandomBoxes.__new__(RandomBoxes)
    source.share = (0.1, 0.4)
    image = np.zeros((100, 200, 3), np.uint8)
    rng = np.random.default_rng(0)
    boxes = np.stack([source.find_box(image, rng) for _ in range(4000)])
    sizes = (boxes[:, 2:] - boxes[:, :2]) / (200, 100)
    assert (boxes >= 0).all() and (boxes <= (200, 100, 200, 100)).all()
    assert sizes.min() >= 0.1 and sizes.max() <= 0.4
    assert sizes.mean(0) == approx(np.array([0.25, 0.25]), abs=0.005)
    assert ((boxes[:, :2] + boxes[:, 2:]) / 2).mean(0) == approx(np.array([100, 50]), rel=0.03)


def test_clip_sources_need_a_listing_only(rendered):
    source = RandomBoxes(clips=str(rendered / 'clips'))
    assert len(source) == 4 and source.track(0).clip == 'clip_0.mp4' and source.track(0).length == 0
    image = np.zeros((100, 200, 3), np.uint8)
    boxes = source.boxes(
        source.track(0),
        [4, 5, 6],
        lambda index: image if index == 4 else never(index),
        np.random.default_rng(0),
    )
    assert (
        boxes.shape == (3, 4) and (boxes == boxes[0]).all()
    )  # one region for all frames of a group


def test_clip_sources_take_all_clips_of_a_table(rendered, tmp_path):
    source = CentreBoxes(table=rendered / 'table', video_root=tmp_path)
    assert len(source) == 5  # discovery's verdict does not count
    assert source.track(0).path == str(tmp_path / source.track(0).clip)


def test_a_control_may_take_the_clips_of_discovery_alone(tmp_path):
    boxes = np.tile([1.0, 1, 9, 9], (5, 1))
    for name, status, samplable in (
        ('a', 'kept', True),
        ('b', 'kept', False),
        ('c', 'dropped', True),
        ('e', 'kept', True),
    ):
        write_table_part(
            tmp_path / 'table',
            f'{name}.mp4',
            f'/v/{name}.mp4',
            pseudo_track(boxes),
            samplable,
            status=status,
        )
    write_table_part(tmp_path / 'table', 'd.mp4', '/v/d.mp4', None)
    discovered = DiscoveredBoxes(tmp_path / 'table')
    drawn = [discovered.track(row).clip for row in np.flatnonzero(discovered.samplable)]
    box_source = dict(type='RandomBoxes', kept_only=True, share=(0.2, 0.3))
    control = PseudoBoxDataset(box_source=box_source, table=tmp_path / 'table').source
    assert [control.track(row).clip for row in range(len(control))] == drawn == ['a.mp4', 'e.mp4']
    assert len(RandomBoxes(table=tmp_path / 'table')) == 5


def test_a_table_without_a_clip_for_a_control_is_refused(tmp_path):
    write_table_part(tmp_path / 'table', 'a.mp4', 'a.mp4', None)
    with pytest.raises(
        ValueError, match='table: no clip with a kept and samplable track is in this table'
    ):
        CentreBoxes(table=tmp_path / 'table', kept_only=True)


@pytest.mark.parametrize('name', ['usot', 'udt', 'cyclesiam'])
def test_the_quick_controls_draw_from_the_clips_of_discovery(name):
    dataset = load_config(
        ROOT / f'configs/quick/{name}_quick_random-boxes.py'
    ).train_dataloader.dataset
    assert (
        dataset.box_source == dict(type='RandomBoxes', kept_only=True)
        and dataset.table == 'work_dirs/quick/table'
    )


def test_the_centre_is_the_centre(rendered):
    source = CentreBoxes(clips=[str(rendered / 'clips' / 'clip_1.mp4')], share=0.5)
    assert source.find_box(
        np.zeros((100, 200, 3), np.uint8), np.random.default_rng(0)
    ).tolist() == [50, 25, 150, 75]


@pytest.mark.parametrize(
    'kwargs, message',
    [
        ({}, 'clips or table'),
        ({'clips': 'x', 'table': 'y'}, 'clips or table'),
        ({'clips': '/nowhere'}, 'nowhere'),
    ],
)
def test_wrong_listings_are_refused(kwargs, message):
    with pytest.raises(ValueError, match=message):
        RandomBoxes(**kwargs)


@pytest.mark.parametrize('share', [(0, 0.5), (0.5, 0.2), (0.5, 1.5)])
def test_wrong_shares_are_refused(share, rendered):
    with pytest.raises(ValueError, match='share'):
        RandomBoxes(clips=rendered / 'clips', share=share)
