"""mmdet's own tools on a config in a user's folder whose only word of this package is
``custom_imports``."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from usot_plugin.testing.media import moving_square_frames, write_frames
from usot_plugin.testing.tables import pseudo_track, write_table_part
from usot_plugin.utils.host import has_full_host

ROOT = Path(__file__).parents[1]

CONFIG = """
custom_imports = dict(imports=['usot_plugin'], allow_failed_imports=False)

model = dict(
    type='USOT',
    backbone=dict(type='SiameseResNet', blocks='basic', stage_blocks=(1, 1, 1), base_channels=8),
    neck=dict(type='AdjustNeck', in_channels=32, out_channels=16),
    head=dict(type='USOTHead', channels=16, tower_depth=1,
              memory=dict(type='CycleMemoryNeck', channels=16)),
    train_cfg=dict(cycle_start_epoch=1),
    test_cfg=dict(type='USOTTracker'))
pipeline = [
    dict(type='SiameseCrop', views=['template'], size=127, exemplar=127, shift_px=4, scale=0.05),
    dict(type='SiameseCrop', views=['search', 'memory'], size=255, exemplar=127,
         shift_px=64, scale=0.18),
    dict(type='PackSOTInputs')]
train_dataloader = dict(
    batch_size=2, num_workers=1, persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(type='RepeatDataset', times=1, dataset=dict(
        type='PseudoBoxDataset', table='table', frame_sampler=dict(type='QualityFrames', memory=1),
        samples_per_epoch=6,
        pipeline=pipeline)))
train_cfg = dict(by_epoch=True, max_epochs=3)
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.001))
default_hooks = dict(logger=dict(type='LoggerHook', interval=1))
env_cfg = dict(cudnn_benchmark=False)  # MMEngine's FlexibleRunner needs one
randomness = dict(seed=0)

test_dataloader = dict(
    batch_size=1, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='SequenceFolderDataset', data_root='sequences'))
test_cfg = dict(type='SOTTestLoop', protocol=dict(type='OPE'), out_dir='results')
test_evaluator = dict(type='SOTMetric')
"""


def _host_tool(name: str) -> Path:
    found = importlib.util.find_spec('mmdet')
    assert found is not None and found.origin is not None
    tool = Path(found.origin).parent / '.mim/tools' / name
    if not tool.is_file():
        pytest.skip(f'this mmdet brings no tools/{name}')
    return tool


@pytest.fixture
def folder(tmp_path) -> Path:
    """Clips, a table of them, a test sequence and the config, as a user has them."""
    for number in range(3):
        frames, boxes = moving_square_frames(6, (160, 120), 30)
        write_frames(tmp_path / f'clips/{number}', frames, '{:06d}.jpg', first=0)
        write_table_part(
            tmp_path / 'table',
            str(number),
            tmp_path / f'clips/{number}',
            pseudo_track(boxes, number),
        )
    write_frames(tmp_path / 'sequences/square/img', frames, '{:04d}.jpg')
    rows = [
        ','.join(f'{value:g}' for value in (x1, y1, x2 - x1, y2 - y1)) for x1, y1, x2, y2 in boxes
    ]
    (tmp_path / 'sequences/square/groundtruth.txt').write_text('\n'.join(rows) + '\n')
    (tmp_path / 'mine.py').write_text(CONFIG)
    return tmp_path


def _start(folder: Path, tool: Path, *arguments: str) -> subprocess.Popen:
    path = os.pathsep.join(part for part in (str(ROOT), os.environ.get('PYTHONPATH')) if part)
    environment = {
        **os.environ,
        'PYTHONPATH': path,
        'OMP_NUM_THREADS': '1',
        'CUDA_VISIBLE_DEVICES': '',
    }
    command = [sys.executable, str(tool), 'mine.py', *arguments]
    return subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _finish(process: subprocess.Popen) -> str:
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output[-3000:]
    return output


def _losses(work_dir: Path) -> dict[int, dict[str, float]]:
    """Losses by step, of all starts."""
    rows = [
        json.loads(line)
        for file in sorted(work_dir.glob('*/vis_data/scalars.json'))
        for line in file.read_text().splitlines()
    ]
    return {
        row['step']: {key: value for key, value in row.items() if key.startswith('loss')}
        for row in rows
    }


RUNNERS = {
    'Runner': [],
    'FlexibleRunner': [
        '--cfg-options',
        'runner_type=FlexibleRunner',
        'strategy.type=SingleDeviceStrategy',
    ],
}


@pytest.mark.process
@pytest.mark.slow
@pytest.mark.parametrize('runner', RUNNERS)
def test_trained_killed_resumed_and_tested_by_the_hosts_tools(folder, runner):
    train = _host_tool('train.py')
    _finish(_start(folder, train, '--work-dir', 'whole', *RUNNERS[runner]))
    whole = _losses(folder / 'whole')
    assert ['loss_mem' in whole[step] for step in range(1, 10)] == [False] * 3 + [True] * 6
    assert len({round(row['loss_reg'], 7) for row in whole.values()}) == 9

    killed = _start(folder, train, '--work-dir', 'cut', *RUNNERS[runner])
    while killed.poll() is None and not (folder / 'cut/epoch_2.pth').exists():
        time.sleep(0.05)
    killed.kill()
    killed.communicate()
    assert not (folder / 'cut/epoch_3.pth').exists()
    _finish(_start(folder, train, '--work-dir', 'cut', '--resume', *RUNNERS[runner]))
    resumed = _losses(folder / 'cut')
    assert sorted(resumed) == sorted(whole)
    for step, row in resumed.items():
        assert row == pytest.approx(whole[step], rel=1e-4)
    if runner == 'Runner':
        # mmdet's own test tool imports mmdet.models, which needs the compiled ops.
        test = _host_tool('test.py') if has_full_host() else ROOT / 'tools/test.py'
        _finish(_start(folder, test, 'cut/epoch_3.pth', '--work-dir', 'cut'))
        assert list(folder.glob('**/square.txt')), 'the file of results'
