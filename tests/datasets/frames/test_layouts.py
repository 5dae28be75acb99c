"""The layouts of the usual training sets, from their folders over discovery to training groups,
moved to another disk in between."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from usot_plugin.datasets import PseudoBoxDataset, QuotaMixture
from usot_plugin.datasets.synthetic.clips import render_clip

ROOT = Path(__file__).parents[3]
PIPELINE = [
    {'type': 'SiameseCrop', 'views': ['template'], 'size': 127},
    {
        'type': 'SiameseCrop',
        'views': ['search', 'memory'],
        'size': 255,
        'shift_px': 64,
        'scale': 0.18,
    },
    {'type': 'PackSOTInputs'},
]
#: Layout -> frame name, first number, folders of two clips, files beside the frames or the clips.
SETS = {
    'got10k': (
        '{:08d}.jpg',
        1,
        ['train/GOT-10k_Train_000001', 'train/GOT-10k_Train_000002'],
        ['{clip}/groundtruth.txt', 'train/list.txt'],
    ),
    'imagenet_vid': (
        '{:06d}.JPEG',
        0,
        [
            f'Data/VID/train/ILSVRC2015_VID_train_000{part}/ILSVRC2015_train_0000{part}000'
            for part in (0, 1)
        ],
        ['ImageSets/VID/train_1.txt'],
    ),
    'lasot': (
        '{:08d}.jpg',
        1,
        ['airplane/airplane-1/img', 'bear/bear-2/img'],
        ['{clip}/../groundtruth.txt', '{clip}/../nlp.txt'],
    ),
    'youtube_vos': (
        '{:05d}.jpg',
        0,
        ['train/JPEGImages/003234408d', 'train/JPEGImages/0043f083b5'],
        ['train/meta.json'],
    ),
}


def _write_set(root: Path, layout: str) -> list[str]:
    name, first, folders, others = SETS[layout]
    for seed, folder in enumerate(folders):
        (root / folder).mkdir(parents=True)
        video, _ = render_clip(seed, 48, (160, 120), occluders=0)
        for index, frame in enumerate(video):
            assert cv2.imwrite(str(root / folder / name.format(first + index)), frame)
    for other in others:
        for folder in folders if '{clip}' in other else folders[:1]:
            path = root / other.format(clip=folder)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text('1,2,3,4\n')
    if layout == 'lasot':
        (root / 'training_set.txt').write_text('airplane-1\nbear-2\n')
    return [folder.removesuffix('/img') for folder in folders]


def _discover(root: Path, layout: str, table: Path) -> None:
    config = 'configs/discovery/default.py'
    command = [
        sys.executable,
        'tools/discover_boxes.py',
        config,
        str(root),
        '--layout',
        layout,
        '--out',
        str(table),
        '--workers',
        '0',
    ]
    environment = {**os.environ, 'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': '1'}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.process
@pytest.mark.slow
def test_all_four_sets_become_one_mixture(tmp_path):
    parts, names = [], []
    for layout in SETS:
        first, table = tmp_path / 'first_disk' / layout, tmp_path / 'tables' / layout
        names.append(_write_set(first, layout))
        _discover(first, layout, table)
        moved = tmp_path / 'second_disk' / layout
        moved.parent.mkdir(exist_ok=True)
        first.rename(moved)
        parts.append(
            PseudoBoxDataset(
                table=table, video_root=moved, pipeline=PIPELINE, stage='cycle', max_failures=0
            )
        )
    quotas = [3, 4, 2, 1]
    mixture = QuotaMixture(parts, quotas=quotas)
    assert len(mixture) == sum(quotas)
    drawn = [mixture[index] for index in range(len(mixture))]
    start = 0
    for known, quota in zip(names, quotas, strict=True):
        group = drawn[start : start + quota]
        start += quota
        assert {item['data_samples'].clip for item in group} <= set(known)
        for item in group:
            assert item['inputs']['memory'].shape == (4, 3, 255, 255)
            assert item['inputs']['template'].float().std() > 5  # a picture, not padding
            assert np.isfinite(item['data_samples'].search_box_xyxy.numpy()).all()
