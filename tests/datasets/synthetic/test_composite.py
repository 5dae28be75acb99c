"""Real surfaces over real video: exact boxes, one seed one sequence, runs that go on."""

import subprocess
import sys

import numpy as np
import pytest

from usot_plugin.datasets import PseudoBoxDataset
from usot_plugin.datasets.synthetic.clips import render_clip, write_clip
from usot_plugin.datasets.synthetic.composite import (
    Motion,
    _back_and_forth,
    cut_surface,
    main,
    read_scene,
    render_composite,
)

STILL = Motion(
    radius=(0.2, 0.2), speed_px=(2, 2), scale_change=0.3, aspect_change=0.3, turn=0.5, pieces=(1, 1)
)


def bright_piece_on_black(seed):
    scene, surface = np.zeros((12, 120, 160, 3), np.uint8), np.full((128, 128, 3), 255, np.uint8)
    return render_composite(np.random.default_rng(seed), scene, [surface], STILL)


@pytest.mark.parametrize('seed', range(4))
def test_the_box_bounds_the_piece(seed):
    video, boxes = bright_piece_on_black(seed)
    for image, (x1, y1, x2, y2) in zip(video, boxes, strict=True):
        ys, xs = np.nonzero(image[..., 0] > 127)
        # Motion blur and the half-covered rim may cost or add a pixel on each side.
        np.testing.assert_allclose(
            [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1], [x1, y1, x2, y2], atol=2.0
        )


def test_the_piece_moves_grows_and_stretches():
    _, boxes = bright_piece_on_black(1)
    width, height = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    assert (
        np.ptp(boxes[:, 0]) > 3 and np.ptp(width * height) > 100 and np.ptp(width / height) > 0.02
    )


def test_a_surface_changes_with_its_clip():
    scene = np.zeros((3, 64, 64, 3), np.uint8)
    surface = np.stack([np.full((128, 128, 3), value, np.uint8) for value in (80, 160, 240)])
    video, boxes = render_composite(np.random.default_rng(0), scene, [surface], STILL)
    centres = ((boxes[:, :2] + boxes[:, 2:]) / 2).astype(int)
    assert [int(video[t, y, x, 0]) for t, (x, y) in enumerate(centres)] == [80, 160, 240]


def test_a_covered_target_has_no_box():
    # Three equal pieces that hardly move: where a later one lies on the first, the first has no
    # box.
    scene, surface = np.zeros((2, 40, 40, 3), np.uint8), np.full((128, 128, 3), 255, np.uint8)
    crowd = Motion(radius=(0.4, 0.9), speed_px=(0.1, 0.1), pieces=(6, 6))
    missing = [
        np.isnan(render_composite(np.random.default_rng(s), scene, [surface], crowd)[1]).any()
        for s in range(20)
    ]
    assert any(missing) and not all(missing)


def test_cut_surface_takes_the_box_with_its_margin():
    frame = np.zeros((100, 100, 3), np.uint8)
    frame[40:60, 30:70] = 200  # the box: 40 x 20 px
    surface = cut_surface(frame[None], np.array([[30.0, 40, 70, 60]]))[0]
    inside = surface[..., 0] > 100
    # The box spans 1 / 1.3 of the surface on both axes.
    np.testing.assert_allclose([inside.any(0).sum(), inside.any(1).sum()], 128 / 1.3, atol=3)


def test_short_clips_swing():
    assert _back_and_forth(3, 8).tolist() == [0, 1, 2, 1, 0, 1, 2, 1]
    assert _back_and_forth(1, 3).tolist() == [0, 0, 0]


def test_read_scene_of_a_short_clip(tmp_path):
    path = write_clip(tmp_path / 'clip.mp4', render_clip(0, 4, (96, 64))[0])
    scene = read_scene(np.random.default_rng(0), path, 9, longer_px=48)
    assert scene.shape == (9, 32, 48, 3)
    np.testing.assert_array_equal(scene[0], scene[6])


def run(*arguments):
    return subprocess.run(
        [sys.executable, '-m', 'usot_plugin.datasets.synthetic.composite', *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.process
def test_the_command_writes_sequences_that_can_be_trained_on(tmp_path):
    for number in range(2):
        write_clip(tmp_path / 'clips' / f'{number}.mp4', render_clip(number, 8, (96, 64))[0])
    options = [tmp_path / 'clips', '--out', tmp_path / 'out', '--frames', 6, '--longer-px', 96]
    assert run(*options, '--count', 1).returncode == 0
    first = (tmp_path / 'out/00000/groundtruth.txt').read_bytes()
    (tmp_path / 'out/00000/groundtruth.txt').unlink()  # as if killed before the end
    done = run(*options, '--count', 2)
    assert done.returncode == 0 and '2 sequences of 6 frames' in done.stdout
    assert (tmp_path / 'out/00000/groundtruth.txt').read_bytes() == first
    dataset = PseudoBoxDataset(
        box_source='annotated',
        sequences=dict(type='SequenceFolderDataset', data_root=str(tmp_path / 'out')),
    )
    assert dataset.track_count == 2 and dataset[0] is not None


def test_no_clip_ends_in_one_line(tmp_path, capsys):
    assert main([str(tmp_path), '--out', str(tmp_path / 'out')]) == 2
    error = capsys.readouterr().err
    assert error.startswith('error: ') and error.count('\n') == 1
