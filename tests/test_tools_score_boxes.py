"""tools/analysis/score_pseudo_boxes.py on rendered sequences whose boxes are known."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from usot_plugin.structures.boxes import xyxy_to_xywh
from usot_plugin.testing.media import moving_square_frames, write_frames

REPO = Path(__file__).resolve().parents[1]
TOOL = REPO / 'tools/analysis/score_pseudo_boxes.py'


def run_tool(*args) -> subprocess.CompletedProcess:
    environment = {**os.environ, 'PYTHONPATH': str(REPO), 'OMP_NUM_THREADS': '1'}
    return subprocess.run([sys.executable, str(TOOL), *map(str, args)], env=environment, capture_output=True, text=True, timeout=200)


@pytest.fixture(scope='module')
def place(tmp_path_factory):
    root = tmp_path_factory.mktemp('score')
    (root / 'config.py').write_text("discovery = dict(flow=dict(type='DISFlow'))\n")
    for index, (name, separator, inside) in enumerate([('commas', ',', 'img'), ('blanks', ' ', 'img'), ('beside', '\t', '.')]):
        frames, boxes = moving_square_frames(45, (320, 240), side_px=90, step_px=2, seed=index)
        write_frames(root / 'sequences' / name / inside, frames, '{:05d}.jpg')
        lines = [separator.join(f'{value:g}' for value in box) for box in xyxy_to_xywh(boxes)]
        if name == 'blanks':
            lines[-3:] = [separator.join(['nan'] * 4)] * 3
        (root / 'sequences' / name / 'groundtruth.txt').write_text('\n'.join(lines) + '\n')
    return root


def test_scores_of_sequences_that_are_easy(place):
    done = run_tool(place / 'config.py', place / 'sequences', '--out', place / 'out', '--workers', 1, '--draws', 20)
    assert done.returncode == 0, done.stderr
    for name in ('commas', 'blanks', 'beside'):
        assert name in done.stdout
    assert 'paper GOT-10k / VID' in done.stdout and '63.2 / 64.4' in done.stdout
    report = json.loads((place / 'out/scores.json').read_text())
    assert report['total']['kept'] == 1 and report['total']['all@0.3'] > 0.8 and report['discovery']['eval_gap_frames'] == 3
    with (place / 'out/scores.csv').open() as stream:
        rows = {row['name']: row for row in csv.DictReader(stream)}
    assert rows['commas']['frames_all'] == '45' and rows['blanks']['frames_all'] == '42'
    # A second run finds the clips finished, and reading the table gives the same numbers.
    again = run_tool(place / 'config.py', place / 'sequences', '--out', place / 'again', '--table', place / 'out/boxes', '--draws', 20)
    assert again.returncode == 0 and again.stdout == done.stdout
    assert not (place / 'again/boxes').exists()


def test_wrong_sequences_are_named_and_the_others_scored(place, tmp_path):
    frames, _ = moving_square_frames(45, (320, 240), side_px=90, step_px=2)
    for name, text in [('short', '1,2,3,4\n'), ('words', 'left of the tree\n' * 45)]:
        write_frames(tmp_path / 's' / name / 'img', frames, '{:05d}.jpg')
        (tmp_path / 's' / name / 'groundtruth.txt').write_text(text)
    (tmp_path / 's/good').symlink_to(place / 'sequences/commas')
    done = run_tool(place / 'config.py', tmp_path / 's', '--out', tmp_path / 'out', '--workers', 1, '--draws', 5)
    assert done.returncode == 1 and 'good' in done.stdout
    assert '1 boxes for 45 frames' in done.stderr and 'words/groundtruth.txt, line 1: not a number' in done.stderr


def test_usage_errors(place, tmp_path):
    np.savetxt(tmp_path / 'x.txt', [1])
    for arguments, message in [
        ([place / 'config.py', tmp_path], 'no annotated sequence in it'),
        ([place / 'config.py', tmp_path / 'nowhere'], 'no such folder of sequences'),
        ([place / 'config.py', place / 'sequences', '--cfg-options', 'discovery.eval_gap=1'], "did you mean 'eval_gap_frames'"),
    ]:
        done = run_tool(*arguments, '--out', tmp_path / 'out')
        assert done.returncode == 2 and message in done.stderr and 'Traceback' not in done.stderr, done.stderr
