"""Groups rendered on the fly: pure functions of their number, boxes where the pixels are, absent
targets, and clear refusals."""

import cv2
import numpy as np
import pytest
import torch

from usot_plugin.datasets import CompositeDataset, stack_groups
from usot_plugin.datasets.synthetic import write_clip
from usot_plugin.datasets.synthetic.canvas import (
    Canvas,
    box_to_crop,
    moved_extent,
    random_outline,
    turned_scale,
    warp,
)
from usot_plugin.datasets.synthetic.region_tracks import (
    RegionTrack,
    follow_region,
    main,
    moving_regions,
    read_tracks,
    write_tracks,
)


def textured(rng, height, width, cell=6):
    return cv2.resize(
        rng.integers(0, 255, (height // cell, width // cell, 3), np.uint8),
        (width, height),
        interpolation=cv2.INTER_CUBIC,
    )


@pytest.fixture(scope='module')
def clips(tmp_path_factory):
    """Two clips of a texture that drifts by two pixels a frame."""
    folder = tmp_path_factory.mktemp('clips')
    rng = np.random.default_rng(0)
    for name in ('a', 'b'):
        wide = textured(rng, 120, 240)
        write_clip(
            folder / f'{name}.mp4', np.stack([wide[:, 2 * t : 2 * t + 160] for t in range(16)])
        )
    return folder


@pytest.fixture(scope='module')
def dataset(clips):
    return CompositeDataset(str(clips), samples_per_epoch=8, recipe=dict(kinds=(0.5, 0.5, 0.0)))


def test_a_group_depends_on_seed_epoch_and_index_alone(dataset):
    first, again = dataset[3], dataset[3]
    assert torch.equal(first['inputs']['search'], again['inputs']['search'])
    assert torch.equal(
        first['data_samples'].template_box_xyxy, again['data_samples'].template_box_xyxy
    )
    dataset.set_epoch(1)
    later = dataset[3]
    dataset.set_epoch(0)
    assert not torch.equal(first['inputs']['search'], later['inputs']['search'])
    assert not torch.equal(first['inputs']['search'], dataset[4]['inputs']['search'])


def test_shapes_and_collation(dataset):
    batch = stack_groups([dataset[i] for i in range(3)])
    assert (
        batch['inputs']['template'].shape == (3, 3, 127, 127)
        and batch['inputs']['search'].dtype == torch.uint8
    )
    assert (
        batch['data_samples'].fields['search_box_xyxy'].shape == (3, 4)
        and len(batch['data_samples']) == 3
    )
    with pytest.raises(IndexError, match='group 8 is outside 0..7'):
        dataset[8]


def test_targets_are_at_the_trackers_scale(dataset):
    for i in range(8):
        x1, y1, x2, y2 = dataset[i]['data_samples'].template_box_xyxy.tolist()
        width, height = x2 - x1, y2 - y1
        side = ((width + (width + height) / 2) * (height + (width + height) / 2)) ** 0.5
        assert side == pytest.approx(127, rel=0.12)
        assert abs((x1 + x2) / 2 - 63.5) < 9 and abs((y1 + y2) / 2 - 63.5) < 9


def test_the_box_of_a_moved_picture_is_where_its_pixels_are():
    frame = np.zeros((100, 120, 3), np.uint8)
    frame[40:60, 30:70] = 255
    box = np.array([30.0, 40, 70, 60])
    linear, centre = turned_scale(np.array([50.0, 30.0]), 0.0), np.array([120.0, 140.0])
    seen = warp(frame, box_to_crop(box, linear, centre), 255, 255, 0, (0, 0, 0))[..., 0] > 127
    rows, columns = np.flatnonzero(seen.any(1)), np.flatnonzero(seen.any(0))
    found = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
    assert (
        np.abs(np.array(found) - moved_extent(linear, centre, np.array([[-1, -1], [1, 1]]))).max()
        <= 1
    )


def test_a_strongly_shrunk_picture_stays_in_place():
    frame = np.zeros((400, 400, 3), np.uint8)
    frame[100:300, 120:280] = 255
    linear, centre = turned_scale(np.array([20.0, 25.0]), 0.0), np.array([60.0, 70.0])
    seen = (
        warp(
            frame,
            box_to_crop(np.array([120.0, 100, 280, 300]), linear, centre),
            127,
            127,
            0,
            (0, 0, 0),
        )[..., 0]
        / 255
    )
    assert seen.sum() == pytest.approx(40 * 50, rel=0.03)
    assert float((seen.sum(0) * (np.arange(127) + 0.5)).sum() / seen.sum()) == pytest.approx(
        60, abs=0.3
    )


def test_a_piece_fills_its_outline_and_can_be_covered():
    rng = np.random.default_rng(1)
    outline = random_outline(rng)
    assert np.allclose([outline.min(0), outline.max(0)], [[-1, -1], [1, 1]])
    canvas = Canvas(np.zeros((255, 255, 3), np.uint8))
    white = np.full((50, 50, 3), 255, np.uint8)
    linear, centre = turned_scale(np.array([40.0, 30.0]), 0.2), np.array([127.0, 120.0])
    canvas.mark_target(
        canvas.paste(white, np.array([0.0, 0, 50, 50]), linear, centre, outline, 0.0, np.ones(3))
    )
    seen = canvas.image[..., 0] > 127
    rows, columns = np.flatnonzero(seen.any(1)), np.flatnonzero(seen.any(0))
    assert (
        np.abs(
            np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])
            - moved_extent(linear, centre, outline)
        ).max()
        <= 1.5
    )
    assert canvas.visible == pytest.approx(1)
    canvas.cover(
        canvas.paste(
            white, np.array([0.0, 0, 50, 50]), linear * 3, centre, outline, 0.0, np.ones(3)
        )
    )
    assert canvas.visible == pytest.approx(0, abs=0.01)


def test_absent_targets_have_no_box(clips):
    dataset = CompositeDataset(str(clips), samples_per_epoch=4, recipe=dict(absent=1.0))
    assert all(torch.isnan(dataset[i]['data_samples'].search_box_xyxy).all() for i in range(4))


def test_wrong_keys_and_foreign_tracks_are_refused(clips, tmp_path):
    with pytest.raises(ValueError, match=r"unknown keys in recipe: \['twins'\]"):
        CompositeDataset(str(clips), recipe=dict(twins=1))
    write_tracks(tmp_path / 'tracks.npz', {'z': [RegionTrack(0, np.zeros((3, 4)))]})
    with pytest.raises(ValueError, match='tracks are of other clips'):
        CompositeDataset(str(clips), tracks=tmp_path / 'tracks.npz')
    (tmp_path / 'no.npz').write_text('no')
    with pytest.raises(ValueError, match='no region tracks in it'):
        read_tracks(tmp_path / 'no.npz')


def test_a_region_is_followed_there_and_back(clips):
    wide = textured(np.random.default_rng(3), 120, 240)
    frames = np.stack([wide[:, 2 * t : 2 * t + 160] for t in range(16)])
    track = follow_region(frames, 2, np.array([80.0, 30, 120, 70]))
    assert track is not None and track.first_frame == 2 and len(track.boxes_xyxy) == 14
    assert np.abs(track.boxes_xyxy[-1] - [80 - 26, 30, 120 - 26, 70]).max() < 1.5
    frames[8:] = textured(np.random.default_rng(4), 120, 160)  # a cut
    track = follow_region(frames, 2, np.array([80.0, 30, 120, 70]))
    assert track is not None and len(track.boxes_xyxy) <= 6


def test_what_moves_otherwise_than_the_picture_is_found():
    wide = textured(np.random.default_rng(5), 120, 240, cell=12)
    frames = np.stack([wide[:, t : t + 160].copy() for t in range(4)])
    thing = textured(np.random.default_rng(6), 48, 48, cell=12)
    for t in range(4):
        frames[t, 30:78, 60 + 2 * t : 108 + 2 * t] = thing
    (box,) = moving_regions(frames, 0)
    assert np.abs(box - [60, 30, 110, 78]).max() < 12


@pytest.mark.process
def test_the_command_writes_tracks_that_the_data_set_reads(clips, tmp_path, capsys):
    assert main([str(clips), '--out', str(tmp_path / 'tracks.npz')]) == 0
    dataset = CompositeDataset(
        str(clips),
        tracks=tmp_path / 'tracks.npz',
        samples_per_epoch=4,
        recipe=dict(kinds=(0, 0, 1), absent=0.0),
    )
    boxes = [dataset[i]['data_samples'].search_box_xyxy for i in range(4)]
    assert any(torch.isfinite(box).all() for box in boxes)
    assert main([str(tmp_path / 'nothing'), '--out', str(tmp_path / 'x.npz')]) == 2
    assert 'nothing' in capsys.readouterr().err
