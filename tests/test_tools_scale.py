"""tools/test.py on a larger scale: several processes, batches of sequences, benchmark configs."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests.evaluation.tiny_benchmark import write_benchmark
from tests.test_tools_tracking import as_process, checkpoint, config, test_tool  # noqa: F401  (fixtures)

ROOT = Path(__file__).parents[1]
NAMES = ('a', 'b', 'c', 'd', 'e')


@pytest.fixture
def data(tmp_path) -> Path:
    return write_benchmark(tmp_path / 'data', NAMES)


def numbers(folder: Path) -> dict:
    """The report without what depends on time and place."""
    report = json.loads((folder / 'report.json').read_text())
    for row in [*report['sequences'].values(), *report['totals'].values()]:
        del row['seconds'], row['fps']
    del report['about']
    return report


@pytest.mark.process
def test_two_processes_give_the_numbers_of_one(tmp_path, config, data, checkpoint):  # noqa: F811
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    environment = {**os.environ, 'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': '1', 'PORT': str(port)}
    command = [
        'bash',
        str(ROOT / 'tools' / 'dist_test.sh'),
        str(config),
        str(checkpoint),
        '2',
        '--sequences',
        str(data),
        '--out',
        'two',
        '--verbose',
    ]
    two = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=240
    )
    assert two.returncode == 0, two.stderr[-3000:]
    one = as_process('test', config, checkpoint, '--sequences', data, '--out', 'one', cwd=tmp_path)
    assert one.returncode == 0, one.stderr[-3000:]
    folders = [tmp_path / out / 'USOTTracker' for out in ('one', 'two')]
    for name in NAMES:
        assert (folders[0] / f'{name}.txt').read_text() == (folders[1] / f'{name}.txt').read_text()
    first, second = map(numbers, folders)
    assert first == second and list(second['sequences']) == list(NAMES)
    assert (
        '[3/3]' in two.stderr + two.stdout or '[2/2]' in two.stderr + two.stdout
    )  # the first process had its share only


@pytest.mark.process
def test_batches_of_a_benchmark_config(tmp_path, config, data, checkpoint):  # noqa: F811
    bench = tmp_path / 'bench.py'
    bench.write_text(
        "test_dataloader = dict(batch_size=1, num_workers=0, sampler=dict(type='DefaultSampler', "
        'shuffle=False),'
        " dataset=dict(type='SequenceFolderDataset', data_root='nowhere'))\n"
        "test_cfg = dict(type='SOTTestLoop')\ntest_evaluator = dict(type='SOTMetric')\n"
    )
    common = [
        config,
        checkpoint,
        '--benchmark',
        bench,
        '--data-root',
        data,
        '--only',
        'a',
        'b',
        'c',
        '--work-dir',
        tmp_path / 'work',
    ]
    for out, more in (('one', []), ('many', ['--batch-sequences', 2])):
        assert test_tool.main([str(arg) for arg in (*common, '--out', tmp_path / out, *more)]) == 0
    folders = [tmp_path / out / 'USOTTracker' for out in ('one', 'many')]
    for name in 'abc':
        boxes = [np.loadtxt(folder / f'{name}.txt', delimiter=',') for folder in folders]
        np.testing.assert_allclose(boxes[0], boxes[1], atol=1e-3)
    assert not (folders[0] / 'd.txt').exists()


@pytest.mark.parametrize(
    ('args', 'message'),
    [
        (('--benchmark', 'otb10'), '--benchmark otb10: no such benchmark'),
        (('--sequences', '{data}', '--data-root', '{data}'), 'give one of them'),
        (
            ('--sequences', '{data}', '--batch-sequences', '0'),
            'batch_sequences is at least 1, got 0',
        ),
        (
            ('--sequences', '{data}', '--batch-sequences', '2', '--workers', '2'),
            '2 worker processes and batches of 2 sequences do not go',
        ),
    ],
)
def test_refusals(tmp_path, config, data, capsys, args, message):  # noqa: F811
    start = [
        str(config),
        '--tracker',
        'StandStill',
        '--work-dir',
        str(tmp_path / 'work'),
        '--out',
        str(tmp_path / 'out'),
    ]
    assert test_tool.main([*start, *(arg.format(data=data) for arg in args)]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith('error: ') and message in error
