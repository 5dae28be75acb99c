"""Configs that mix this plugin with mmdet, as their users run them: train a few steps, track a
small sequence, look at the pictures."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import cv2
import pytest
from mmengine.config import Config

from usot_plugin.datasets.synthetic.clips import render_clip, write_clip, write_sequence
from usot_plugin.testing.tables import pseudo_track, write_table_part

ROOT = Path(__file__).parents[1]

#: The same bodies, small enough for a test.
SMALL_BODIES = {
    'usot_mmdet-r50': (dict(depth=18, base_channels=16, init_cfg=None), 64),
    'usot_swin-tiny': (
        dict(
            embed_dims=24,
            depths=(1, 1, 1),
            num_heads=(1, 2, 2),
            convert_weights=False,
            init_cfg=None,
        ),
        48 + 96,
    ),
}


def _run(*command: str) -> subprocess.CompletedProcess:
    path = os.pathsep.join(part for part in (str(ROOT), os.environ.get('PYTHONPATH')) if part)
    environment = {
        **os.environ,
        'PYTHONPATH': path,
        'OMP_NUM_THREADS': '1',
        'CUDA_VISIBLE_DEVICES': '',
    }
    return subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


@pytest.fixture(scope='module')
def data(tmp_path_factory) -> Path:
    """Two clips with their table, and one annotated sequence."""
    folder = tmp_path_factory.mktemp('data')
    for number in range(2):
        video, boxes = render_clip(number, 16, (160, 120), occluders=0)
        path = write_clip(folder / 'clips' / f'clip_{number}.mp4', video)
        write_table_part(folder / 'table', path.name, path, pseudo_track(boxes[0], number))
    video, boxes = render_clip(7, 5, (160, 120), occluders=0)
    write_sequence(folder / 'sequences' / 'swan', video, boxes[0])
    return folder


def _short_config(name: str, data: Path, folder: Path) -> Path:
    """Two epochs of two steps, the second one with cycle memory and a learning backbone."""
    cfg = Config.fromfile(ROOT / f'configs/mixed/{name}.py')
    body, channels = SMALL_BODIES[name]
    pipeline = cfg.train_pipeline
    sampler = dict(type='QualityFrames', memory=2)
    dataset = dict(
        type='PseudoBoxDataset',
        table=str(data / 'table'),
        frame_sampler=sampler,
        samples_per_epoch=4,
        pipeline=pipeline,
    )
    changes = {
        'model.backbone.body': body,
        'model.neck': dict(in_channels=channels, out_channels=16),
        'model.head': dict(channels=16, tower_depth=1),
        'model.train_cfg.cycle_start_epoch': 1,
        'train_cfg.max_epochs': 2,
        'default_hooks.logger.interval': 1,
        'work_dir': str(folder / 'work'),
    }
    cfg.merge_from_dict(changes)
    cfg.custom_hooks[0].train_from_epoch = 1
    cfg.train_dataloader = dict(
        batch_size=2,
        num_workers=0,
        sampler=dict(type='DefaultSampler', shuffle=True),
        dataset=dataset,
    )
    cfg.param_scheduler = [dict(type='LogSpaceLR', start_factor=0.5, begin=0, end=2)]
    path = folder / f'{name}.py'
    cfg.dump(path)
    return path


@pytest.mark.full_host
@pytest.mark.parametrize('name', SMALL_BODIES)
def test_mmdet_parts_train_and_track(data, tmp_path, name):
    config = _short_config(name, data, tmp_path)
    trained = _run('tools/train.py', str(config))
    assert trained.returncode == 0, trained.stderr[-3000:]
    assert 'loss_mem' in trained.stderr + trained.stdout
    checkpoint = tmp_path / 'work/epoch_2.pth'
    tracked = _run(
        'tools/test.py',
        str(config),
        str(checkpoint),
        '--sequences',
        str(data / 'sequences'),
        '--out',
        str(tmp_path / 'out'),
    )
    assert tracked.returncode == 0, tracked.stderr[-3000:]
    rows = (tmp_path / 'out/USOTTracker/swan.txt').read_text().splitlines()
    assert len(rows) == 5 and all(len(row.split(',')) == 4 for row in rows)
    picture = cv2.imread(str(tmp_path / 'work/pictures/USOTTracker/swan/000000.jpg'))
    assert picture.shape == (120, 320, 3), 'annotation left, prediction right'


@pytest.mark.process
def test_without_compiled_ops_the_reason_is_one_line(tmp_path):
    code = (
        'import usot_plugin.utils.host as host\n'
        'find = host.find_spec\n'
        "host.find_spec = lambda name: None if name == 'mmcv._ext' else find(name)\n"
        'from usot_plugin.utils.config import load_config\n'
        "load_config('configs/mixed/usot_mmdet-r50.py')\n"
    )
    done = _run('-c', code)
    assert done.returncode == 1
    line = done.stderr.splitlines()[-1]
    assert (
        "usot_mmdet-r50.py: default_scope = 'mmdet' needs mmdet and mmcv with compiled ops" in line
    )
