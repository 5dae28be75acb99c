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

from usot_plugin.discovery.config import DiscoveryConfig
from usot_plugin.structures.boxes import xyxy_to_xywh
from usot_plugin.testing.media import moving_square_frames, write_frames
from usot_plugin.testing.tables import pseudo_track, write_table_part
from usot_plugin.testing.tools import run_tool_main

REPO = Path(__file__).resolve().parents[1]
TOOL = REPO / 'tools/analysis/score_pseudo_boxes.py'


def run_tool(*args) -> subprocess.CompletedProcess:
    environment = {**os.environ, 'PYTHONPATH': str(REPO), 'OMP_NUM_THREADS': '1'}
    return subprocess.run(
        [sys.executable, str(TOOL), *map(str, args)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=200,
    )


@pytest.fixture(scope='module')
def place(tmp_path_factory):
    root = tmp_path_factory.mktemp('score')
    (root / 'config.py').write_text("discovery = dict(flow=dict(type='DISFlow'))\n")
    for index, (name, separator, inside) in enumerate(
        [('commas', ',', 'img'), ('blanks', ' ', 'img'), ('beside', '\t', '.')]
    ):
        frames, boxes = moving_square_frames(45, (320, 240), side_px=90, step_px=2, seed=index)
        write_frames(root / 'sequences' / name / inside, frames, '{:05d}.jpg')
        lines = [separator.join(f'{value:g}' for value in box) for box in xyxy_to_xywh(boxes)]
        if name == 'blanks':
            lines[-3:] = [separator.join(['nan'] * 4)] * 3
        (root / 'sequences' / name / 'groundtruth.txt').write_text('\n'.join(lines) + '\n')
    return root


@pytest.mark.process
def test_scores_of_sequences_that_are_easy(place):
    done = run_tool(
        place / 'config.py',
        place / 'sequences',
        '--out',
        place / 'out',
        '--workers',
        1,
        '--draws',
        20,
    )
    assert done.returncode == 0, done.stderr
    for name in ('commas', 'blanks', 'beside'):
        assert name in done.stdout
    assert 'paper GOT-10k / VID' in done.stdout and '63.2 / 64.4' in done.stdout
    report = json.loads((place / 'out/scores.json').read_text())
    assert (
        report['total']['kept'] == 1
        and report['total']['all@0.3'] > 0.8
        and report['discovery']['frames']['eval_gap'] == 3
    )
    with (place / 'out/scores.csv').open() as stream:
        rows = {row['name']: row for row in csv.DictReader(stream)}
    assert rows['commas']['frames_all'] == '45' and rows['blanks']['frames_all'] == '42'
    # A second run finds the clips finished, and reading the table gives the same numbers.
    again = run_tool(
        place / 'config.py',
        place / 'sequences',
        '--out',
        place / 'again',
        '--table',
        place / 'out/boxes',
        '--draws',
        20,
    )
    assert again.returncode == 0 and again.stdout == done.stdout
    assert not (place / 'again/boxes').exists()


@pytest.mark.process
def test_wrong_sequences_are_named_and_the_others_scored(place, tmp_path):
    frames, _ = moving_square_frames(45, (320, 240), side_px=90, step_px=2)
    for name, text in [('short', '1,2,3,4\n'), ('words', 'left of the tree\n' * 45)]:
        write_frames(tmp_path / 's' / name / 'img', frames, '{:05d}.jpg')
        (tmp_path / 's' / name / 'groundtruth.txt').write_text(text)
    (tmp_path / 's/good').symlink_to(place / 'sequences/commas')
    done = run_tool(
        place / 'config.py', tmp_path / 's', '--out', tmp_path / 'out', '--workers', 1, '--draws', 5
    )
    assert done.returncode == 1 and 'good' in done.stdout
    assert (
        '1 boxes for 45 frames' in done.stderr
        and 'words/groundtruth.txt, line 1: not a number' in done.stderr
    )


def test_boxes_of_one_cocovid_file_against_a_table_of_the_layout(tmp_path, capsys):
    boxes = moving_square_frames(12, (160, 120), side_px=30)[1]
    config = tmp_path / 'config.py'
    config.write_text("discovery = dict(flow=dict(type='DISFlow'))\n")
    name = 'train/ILSVRC2015_VID_train_0000/ILSVRC2015_train_00000000'
    info = DiscoveryConfig(flow=dict(type='DISFlow')).to_dict()
    write_table_part(
        tmp_path / 'table', f'Data/VID/{name}', tmp_path, pseudo_track(boxes), config=info
    )
    write_table_part(
        tmp_path / 'table', 'Data/VID/train/short', tmp_path, pseudo_track(boxes[:4]), config=info
    )
    images = [
        {'id': 100 * v + i, 'video_id': v, 'frame_id': i, 'file_name': f'{i}.JPEG'}
        for v in (1, 2)
        for i in range(12)
    ]
    entries = [
        {
            'id': n,
            'image_id': 100 * v + i,
            'video_id': v,
            'instance_id': k,
            'bbox': (xyxy_to_xywh(boxes[i]) + [shift, 0, 0, 0]).tolist(),
        }
        for n, (v, k, i, shift) in enumerate(
            (v, k, i, s) for v in (1, 2) for k, s in ((1, 0), (2, 300)) for i in range(12)
        )
    ]
    videos = [{'id': 1, 'name': name}, {'id': 2, 'name': 'train/short'}]
    (tmp_path / 'vid.json').write_text(
        json.dumps({'videos': videos, 'images': images, 'annotations': entries})
    )
    arguments = (
        config,
        tmp_path / 'Data/VID',
        '--table',
        tmp_path / 'table',
        '--out',
        tmp_path / 'out',
        '--draws',
        5,
    )
    assert run_tool_main(TOOL, *arguments, '--annotation', tmp_path / 'vid.json') == 1
    told = capsys.readouterr()
    assert 'train/short: frame 11 is annotated, and there are 4 frames' in told.err
    rows = json.loads((tmp_path / 'out/scores.json').read_text())['sequences']
    assert (
        [row['name'] for row in rows] == [name]
        and rows[0]['success_template@0.5'] == 1
        and rows[0]['frames_all'] == 12
    )
    (tmp_path / 'vid.json').write_text('{"images": [], "annotations": [{}]}')
    assert run_tool_main(TOOL, *arguments, '--annotation', tmp_path / 'vid.json') == 2
    assert 'vid.json: annotations[0]: image_id is a number or a name' in capsys.readouterr().err


@pytest.mark.process
def test_usage_errors(place, tmp_path):
    np.savetxt(tmp_path / 'x.txt', [1])
    for arguments, message in [
        ([place / 'config.py', tmp_path], 'no annotated sequence in it'),
        ([place / 'config.py', tmp_path / 'nowhere'], 'no such folder of sequences'),
        (
            [place / 'config.py', place / 'sequences', '--cfg-options', 'discovery.eval_gap=1'],
            "did you mean 'frames.eval_gap'",
        ),
    ]:
        done = run_tool(*arguments, '--out', tmp_path / 'out')
        assert done.returncode == 2 and message in done.stderr and 'Traceback' not in done.stderr, (
            done.stderr
        )
