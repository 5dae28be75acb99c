"""tools/analysis/measure_step.py: the formula in closed form, and the tool as a process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from usot_plugin.cli import measure_step
from usot_plugin.testing.tools import run_tool_main

ROOT = Path(__file__).parents[1]
TOOL = ROOT / 'tools/analysis/measure_step.py'


@pytest.fixture
def tool():
    return measure_step


def _times(tool, load_s=0.0):
    return tool.StepTimes(
        'naive', 4, load_s, forward_s=0.1, backward_s=0.2, optimizer_s=0.1, gradient_bytes=10**9
    )


@pytest.mark.parametrize(
    ('gpus', 'seconds'), [(1, 0.4), (2, 0.5), (4, 0.55), (64, 0.4 + 0.2 * 63 / 64)]
)
def test_a_step_is_compute_and_ring_all_reduce(tool, gpus, seconds):
    # 1 GB over 10 GB/s: 0.1 s for each pass over the ring, two passes, the last part stays where it
    # is.
    assert tool.step_seconds(
        _times(tool), gpus, workers=1, bandwidth_bytes_s=1e10
    ) == pytest.approx(seconds)


@pytest.mark.parametrize(('workers', 'seconds'), [(1, 4.0), (8, 0.5), (16, 0.4)])
def test_loading_counts_where_it_is_slower(tool, workers, seconds):
    assert tool.step_seconds(_times(tool, load_s=4.0), 1, workers, 1e10) == pytest.approx(seconds)


def _run(*arguments: str) -> subprocess.CompletedProcess:
    environment = {**os.environ, 'OMP_NUM_THREADS': '1', 'CUDA_VISIBLE_DEVICES': ''}
    return subprocess.run(
        [sys.executable, TOOL, *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


@pytest.mark.process
def test_every_part_is_measured_and_what_is_computed_says_so(tmp_path):
    small = [
        'model.neck.out_channels=8',
        'model.head.channels=8',
        'model.backbone.base_channels=4',
        'model.neck.in_channels=16',
    ]
    arguments = [
        'configs/quick/usot_quick.py',
        '--batch',
        '1',
        '--steps',
        '1',
        '--gpus',
        '4',
        '--json',
        str(tmp_path / 'step.json'),
    ]
    done = _run(*arguments, '--cfg-options', *small)
    assert done.returncode == 0, done.stderr[-2000:]
    content = json.loads((tmp_path / 'step.json').read_text())
    assert [row['stage'] for row in content['steps']] == ['naive', 'cycle']
    for row in content['steps']:
        assert all(row[part] > 0 for part in ('load_s', 'forward_s', 'backward_s', 'optimizer_s'))
    assert content['steps'][1]['forward_s'] > content['steps'][0]['forward_s'], (
        'memory frames are more work'
    )
    assert content['all_reduce_two_processes_s'] > 0
    assert 'computed (not measured): 8 loader processes a GPU, 20 GB/s' in done.stdout
    again = _run(
        'configs/quick/usot_quick.py', '--gpus', '4', '--measured', str(tmp_path / 'step.json')
    )
    assert again.returncode == 0 and again.stdout == done.stdout


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['configs/quick/usot_quick.py', '--steps', '0'], 'have to be positive'),
        (['nowhere.py'], 'nowhere.py: no such config'),
        (['x.py', '--measured', 'README.md'], 'README.md: not a file that --json'),
    ],
)
def test_what_the_user_can_mend_is_one_line(arguments, message, capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert run_tool_main('tools/analysis/measure_step.py', *arguments) == 2
    error = capsys.readouterr().err
    assert message in error and error.count('\n') == 1
