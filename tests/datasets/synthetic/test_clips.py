from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from usot_plugin.datasets.synthetic import clips as synthetic
from usot_plugin.datasets.synthetic import scene as synthetic_scene
from usot_plugin.datasets.synthetic.clips import render_clip, write_clip, write_sequence
from usot_plugin.discovery.config import DiscoveryConfig
from usot_plugin.discovery.discover import discover
from usot_plugin.structures.boxes import iou
from usot_plugin.structures.clip import ArrayClip, open_clip


def test_one_seed_one_clip():
    first, boxes = render_clip(5, 6, (96, 64), objects=2)
    again, boxes_again = render_clip(5, 6, (96, 64), objects=2)
    other, _ = render_clip(6, 6, (96, 64), objects=2)
    assert first.shape == (6, 64, 96, 3) and first.dtype == np.uint8
    assert boxes.shape == (2, 6, 4)
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(boxes, boxes_again)
    assert (first != other).any()


def test_boxes_enclose_exactly_the_drawn_silhouette():
    rng = np.random.default_rng(0)
    for _ in range(10):
        body = synthetic_scene.make_object(rng, 1, (200, 150), 0.3, 3.0, 0.2)
        mask = synthetic_scene.draw_body(np.zeros((150, 200, 3), np.uint8), body, 0)
        rows, columns = np.where(mask)
        drawn = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
        polygon = body.polygon(0)
        # A pixel belongs to the silhouette when it is more than half covered, so each side is
        # within about half a pixel (a thin tip less).
        assert np.abs(drawn - np.concatenate([polygon.min(0), polygon.max(0)])).max() <= 0.8


def test_the_object_moves_at_the_wanted_speed_and_stays_in_the_frame():
    speeds = []
    for seed in range(8):
        _, boxes = render_clip(seed, 80, (160, 120), speed_px=2.0, occluders=0)
        assert not np.isnan(boxes).any()
        assert (boxes >= 0).all() and (boxes <= [160, 120, 160, 120]).all()
        centers = (boxes[0, :, :2] + boxes[0, :, 2:]) / 2
        speeds.append(np.abs(np.diff(centers, axis=0)).mean())
    assert 1.4 < np.mean(speeds) < 2.6


def test_a_covered_object_has_no_box():
    # Later objects are drawn in front: a big one exactly over a small one hides it.
    rng = np.random.default_rng(1)
    big = synthetic_scene.make_object(rng, 1, (120, 120), 0.1, 0.0, 0.0)
    small = synthetic_scene.Body(
        big.outline, big.texture, big.center_xy, big.radius_px * 0.5, big.angle
    )
    masks = [
        synthetic_scene.draw_body(np.zeros((120, 120, 3), np.uint8), body, 0)
        for body in (small, big)
    ]
    boxes = synthetic.visible_boxes([small, big], masks, 0, (120, 120))
    assert np.isnan(boxes[0]).all() and not np.isnan(boxes[1]).any()


@pytest.mark.parametrize('kwargs', [{'frames': 0}, {'objects': 0}, {'size_wh': (20, 100)}])
def test_impossible_clips_are_refused(kwargs):
    with pytest.raises(ValueError, match='render_clip needs'):
        render_clip(0, **kwargs)


def test_video_and_folder_keep_frames_and_order(tmp_path):
    video, _ = render_clip(2, 12, (96, 64))
    folder = open_clip(write_clip(tmp_path / 'folder', video))
    file = open_clip(write_clip(tmp_path / 'clip.mp4', video))
    assert folder.frame_count == file.frame_count == 12
    for index in (0, 7, 11):
        np.testing.assert_array_equal(folder.read(index), video[index])
        gray_error = np.abs(
            file.read(index).astype(float).mean(-1) - video[index].astype(float).mean(-1)
        ).mean()
        assert gray_error < 4  # 4:2:0 chroma costs saturated colours most
    assert sorted(p.name for p in tmp_path.iterdir()) == ['clip.mp4', 'folder']


def test_odd_sides_cannot_be_a_video(tmp_path):
    with pytest.raises(ValueError, match='even sides'):
        write_clip(tmp_path / 'clip.mp4', np.zeros((2, 33, 40, 3), np.uint8))


def test_sequence_layout(tmp_path):
    video, boxes = render_clip(2, 4, (96, 64), occluders=0)
    track = boxes[0].copy()
    track[2] = np.nan
    folder = write_sequence(tmp_path / 'seq', video, track)
    rows = np.loadtxt(folder / 'groundtruth.txt', delimiter=',')
    np.testing.assert_allclose(rows[:, :2], track[:, :2], atol=1e-3)
    np.testing.assert_allclose(rows[:, :2] + rows[:, 2:], track[:, 2:], atol=2e-3)
    assert (folder / 'absence.label').read_text().split() == ['0', '0', '1', '0']
    assert [p.name for p in sorted((folder / 'img').iterdir())] == [
        f'{i:05d}.jpg' for i in range(1, 5)
    ]


def test_a_sequence_must_start_with_its_target(tmp_path):
    with pytest.raises(ValueError, match='hidden in the first frame'):
        write_sequence(tmp_path, np.zeros((1, 40, 40, 3), np.uint8), np.full((1, 4), np.nan))


@pytest.mark.process
def test_command_line(tmp_path):
    command = [
        sys.executable,
        '-m',
        'usot_plugin.datasets.synthetic.clips',
        str(tmp_path),
        '--clips',
        '1',
        '--sequences',
        '1',
        '--frames',
        '5',
    ]
    for _ in range(2):  # a second run writes the same again
        subprocess.run([*command, '--size', '64', '48'], check=True, capture_output=True)
    assert open_clip(tmp_path / 'clips' / 'clip_000.mp4').frame_count == 5
    assert (
        len((tmp_path / 'sequences' / 'seq_000' / 'groundtruth.txt').read_text().splitlines()) == 5
    )


@pytest.mark.process
def test_discovery_finds_the_rendered_object():
    overlaps = []
    for seed in (0, 1, 2, 8):
        video, boxes = render_clip(seed, 60, occluders=0)
        track = discover(ArrayClip(video), DiscoveryConfig())[0]
        overlaps.append(
            iou(
                track.boxes_xyxy.astype(float),
                boxes[0, track.first_frame : track.first_frame + len(track)],
            ).mean()
        )
    assert np.mean(overlaps) > 0.5
