"""tools/discover_usot.sh: the four tables that configs/usot_r50.py reads, from folders as their
owners publish them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from mmengine.config import Config

from usot_plugin.discovery.table.reading import read_table
from usot_plugin.testing.media import moving_square_frames, write_frames

ROOT = Path(__file__).parents[1]
CLIPS = {
    'imagenet_vid': 'Data/VID/train/ILSVRC2015_VID_train_0000/ILSVRC2015_train_00000000',
    'got10k': 'train/GOT-10k_Train_000001',
    'lasot': 'airplane/airplane-2/img',
    'youtube_vos': 'train/JPEGImages/003234408d',
}


def discover(data: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess:
    path = os.pathsep.join(part for part in (str(ROOT), os.environ.get('PYTHONPATH')) if part)
    variables = {**os.environ, 'PYTHONPATH': path, 'OMP_NUM_THREADS': '1', **environment}
    command = [
        'bash',
        str(ROOT / 'tools/discover_usot.sh'),
        *([str(data)] if data else []),
        *arguments,
    ]
    return subprocess.run(
        command, cwd=data, env=variables, capture_output=True, text=True, timeout=300, check=False
    )


@pytest.mark.process
@pytest.mark.slow
def test_four_tables_lie_where_the_config_looks(tmp_path):
    frames, _ = moving_square_frames(24, (160, 120), side_px=30, step_px=3)
    for name, clip in CLIPS.items():
        write_frames(tmp_path / 'data' / name / clip, frames, '{:08d}.jpg')
    (tmp_path / 'data/lasot/training_set.txt').write_text('airplane-2\n')
    for image in (tmp_path / 'data/got10k/train/GOT-10k_Train_000002').parent.glob('*1/*.jpg'):
        broken = image.parent.with_name('GOT-10k_Train_000002') / image.name
        broken.parent.mkdir(exist_ok=True)
        broken.write_text('no image')
    done = discover(tmp_path / 'data', '--workers', '0', '--quiet')
    assert done.returncode == 1 and 'GOT-10k_Train_000002' in done.stdout + done.stderr, done.stderr
    mixture = Config.fromfile(ROOT / 'configs/usot_r50.py').train_dataloader.dataset.datasets
    tables = {Path(part.table).name: read_table(tmp_path / part.table) for part in mixture}
    assert list(tables) == list(CLIPS)
    assert [[row.clip for row in table.rows][0] for table in tables.values()] == [
        clip.removesuffix('/img') for clip in CLIPS.values()
    ]
    configs = {name: table.info.config for name, table in tables.items()}
    assert [config['frames']['eval_gap'] for config in configs.values()] == [3, 3, 3, 1], (
        'YouTube-VOS has five frames a second'
    )
    assert [config['frames']['window'] for config in configs.values()] == [None, None, 200, None]
    again = discover(
        tmp_path / 'data',
        '--workers',
        '0',
        '--quiet',
        SETS='lasot',
        OUT=str(tmp_path / 'data/pseudo_boxes'),
    )
    assert again.returncode == 0 and 'lasot: ' in again.stdout and 'got10k' not in again.stdout


def test_an_unknown_set_is_refused(tmp_path):
    done = discover(tmp_path, SETS='davis')
    assert (done.returncode, done.stderr) == (
        2,
        'error: SETS: davis is none of imagenet_vid, got10k, lasot, youtube_vos\n',
    )
