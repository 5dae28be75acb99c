"""tools/track_objects.py as a process, on a rendered scene with recorded detections."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.tracking.multi_object.scene import FRAMES, GAP, crossing_squares, scripted
from usot_plugin.structures.boxes import iou, xywh_to_xyxy, xyxy_to_xywh
from usot_plugin.testing.media import write_frames
from usot_plugin.testing.tools import run_tool_main

ROOT = Path(__file__).parents[1]


def _run(*arguments: str) -> subprocess.CompletedProcess:
    path = os.pathsep.join(part for part in (str(ROOT), os.environ.get('PYTHONPATH')) if part)
    environment = {
        **os.environ,
        'PYTHONPATH': path,
        'OMP_NUM_THREADS': '1',
        'CUDA_VISIBLE_DEVICES': '',
    }
    command = [sys.executable, 'tools/track_objects.py', *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240, check=False
    )


@pytest.fixture(scope='module')
def scene(tmp_path_factory) -> tuple[Path, np.ndarray]:
    """A folder with ``frames`` and ``det.txt``, and the true boxes."""
    folder = tmp_path_factory.mktemp('scene')
    frames, boxes = crossing_squares()
    write_frames(folder / 'frames', frames)
    lines = []
    for t in range(FRAMES):
        found = scripted(boxes, t)
        for (x, y, w, h), score in zip(xyxy_to_xywh(found.boxes_xyxy), found.scores, strict=True):
            lines.append(f'{t + 1},-1,{x + 1},{y + 1},{w},{h},{score}\n')
    (folder / 'det.txt').write_text(''.join(lines))
    return folder, boxes


def _rows(file: Path) -> np.ndarray:
    return np.loadtxt(file, delimiter=',')


def _config(folder: Path, base: str) -> Path:
    """The config with a tracker that needs no weights: it finds the square by its texture."""
    config = folder / 'carried.py'
    config.write_text(
        f"_base_ = ['{ROOT}/configs/mixed/{base}.py']\n"
        "custom_imports = dict(imports=['usot_plugin', "
        "'tests.tracking.multi_object.registered'], allow_failed_imports=False)\n"
    )
    return config


@pytest.mark.process
@pytest.mark.parametrize(
    'base', ['carried_tracks', pytest.param('bytetrack_usot', marks=pytest.mark.full_host)]
)
def test_both_squares_keep_their_identity(scene, tmp_path, base):
    folder, boxes = scene
    detections = ['detections.path=' + str(folder / 'det.txt')]
    # No weights of a detector are here: recorded detections in its place, mmdet associates.
    if base == 'bytetrack_usot':
        text = f"dict(_delete_=True, type='RecordedDetections', path='{folder / 'det.txt'}')"
        config = _config(tmp_path, base)
        config.write_text(config.read_text() + f'detections = {text}\n')
        detections = []
    else:
        config = _config(tmp_path, base)
    options = ['--cfg-options', *detections] if detections else []
    done = _run(
        str(config),
        str(folder / 'frames'),
        '--tracker',
        'RegisteredTemplateTracker',
        '--out',
        str(tmp_path / 'out'),
        *options,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert (
        f'{FRAMES} frames, 2 objects, {2 * FRAMES} boxes, {len(GAP)} of them carried' in done.stdout
    )
    rows = _rows(tmp_path / 'out/frames.txt')
    for k in (0, 1):
        mine = []
        for t in range(FRAMES):
            of_frame = rows[rows[:, 0] == t + 1]
            found = xywh_to_xyxy(of_frame[:, 2:6] - (1, 1, 0, 0))
            overlaps = iou(found, boxes[k, t][None])
            assert overlaps.max() > 0.7
            mine.append(of_frame[overlaps.argmax(), 1])
        assert len(set(mine)) == 1
    assert (tmp_path / 'out/frames.mp4').stat().st_size > 1000


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (
            ['configs/quick/usot_quick.py', 'README.md'],
            "usot_quick.py: there is no 'detections' in it",
        ),
        (
            [
                'configs/mixed/carried-tracks_usot.py',
                'README.md',
                '--cfg-options',
                'detections.path=nowhere.txt',
            ],
            'nowhere.txt: cannot be read',
        ),
        (['configs/mixed/carried-tracks_usot.py'], 'the following arguments are required: input'),
    ],
)
def test_what_the_user_can_mend_is_one_line(arguments, message, capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert run_tool_main('tools/track_objects.py', *arguments) == 2
    error = capsys.readouterr().err
    assert message in error and error.count('\n') == 1
