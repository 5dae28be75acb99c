"""UDT through the tools: trained on a rendered clip, tested on another, in processes of their
own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from usot_plugin.datasets.synthetic.clips import render_clip, write_clip
from usot_plugin.structures.boxes import xyxy_to_xywh

ROOT = Path(__file__).parents[1]


def _run(*arguments: str) -> str:
    environment = {**os.environ, 'OMP_NUM_THREADS': '1', 'CUDA_VISIBLE_DEVICES': ''}
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.mark.process
def test_trained_on_random_boxes_and_tested(tmp_path):
    video, _ = render_clip(0, 12, (160, 120), occluders=0)
    write_clip(tmp_path / 'clips' / 'a.mp4', video)
    small = {
        'model.backbone.channels': 4,
        'train_dataloader.dataset.table': 'None',
        'train_dataloader.dataset.clips': str(tmp_path / 'clips'),
        'train_dataloader.dataset.samples_per_epoch': 4,
        'train_dataloader.batch_size': 2,
        'train_dataloader.num_workers': 0,
        'train_dataloader.persistent_workers': False,
        'train_cfg.max_epochs': 1,
    }
    options = ['--cfg-options', *(f'{key}={value}' for key, value in small.items())]
    _run(
        'tools/train.py',
        'configs/quick/udt_quick_random-boxes.py',
        '--work-dir',
        str(tmp_path / 'work'),
        *options,
    )

    frames, boxes = render_clip(1, 6, (160, 120), occluders=0)
    folder = tmp_path / 'sequences' / 'b'
    (folder / 'img').mkdir(parents=True)
    for index, frame in enumerate(frames):
        cv2.imwrite(str(folder / 'img' / f'{index:04d}.png'), frame)
    np.savetxt(folder / 'groundtruth.txt', xyxy_to_xywh(boxes[0]), delimiter=',', fmt='%.3f')
    paths = [
        'configs/quick/udt_quick.py',
        str(tmp_path / 'work' / 'epoch_1.pth'),
        '--sequences',
        str(folder.parent),
    ]
    plus = ['model.test_cfg.scale_filter.type=ScaleFilter', 'model.test_cfg.scales=1']
    _run(
        'tools/test.py',
        *paths,
        '--out',
        str(tmp_path / 'out'),
        '--cfg-options',
        'model.backbone.channels=4',
        *plus,
    )
    report = json.loads((tmp_path / 'out' / 'UDTTracker' / 'report.json').read_text())
    assert list(report['sequences']) == ['b']
    tracked = np.loadtxt(next((tmp_path / 'out' / 'UDTTracker').glob('b*.txt')), delimiter=',')
    assert tracked.shape == (6, 4) and np.isfinite(tracked).all()
