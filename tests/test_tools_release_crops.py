"""tools/train.py on a folder of the USOT release's crops."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.datasets.release_data import write_release
from usot_plugin.testing.media import moving_square_frames
from usot_plugin.utils.config import load_config

ROOT = Path(__file__).parents[1]


@pytest.mark.process
def test_two_steps_with_the_quick_network(tmp_path):
    videos = {
        f'a/ILSVRC2015_train_{n:08d}': moving_square_frames(10, (160, 120), 30, seed=n)
        for n in (1, 2, 3)
    }
    annotation, crops = write_release(tmp_path / 'VID_flow', videos)
    config = tmp_path / 'crops.py'
    config.write_text(
        f"""_base_ = [{str(ROOT / 'configs/quick/usot_quick.py')!r}]
train_dataloader = dict(batch_size=2, num_workers=0, persistent_workers=False, dataset=dict(
    _delete_=True, type='QuotaMixture', quotas=[4], datasets=[dict(
        type='USOTCropDataset', annotation={str(annotation)!r}, crops={str(crops)!r}, stage='cycle',
        frame_sampler={{{{_base_.frame_sampler}}}}, pipeline={{{{_base_.train_pipeline}}}})]))
model = dict(train_cfg=dict(cycle_start_epoch=0))
train_cfg = dict(max_epochs=1)
default_hooks = dict(logger=dict(interval=1))
"""
    )
    environment = {
        **os.environ,
        'PYTHONPATH': str(ROOT),
        'OMP_NUM_THREADS': '1',
        'CUDA_VISIBLE_DEVICES': '',
    }
    command = [sys.executable, 'tools/train.py', str(config), '--work-dir', str(tmp_path / 'work')]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=200, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert (tmp_path / 'work/epoch_1.pth').is_file()
    assert '[1][2/2]' in done.stdout + done.stderr and 'loss_mem' in done.stdout + done.stderr


def test_config_of_the_paper_reads_the_releases_folders():
    datasets = load_config(
        ROOT / 'configs/usot/usot_r50_release-crops.py'
    ).train_dataloader.dataset.datasets
    assert [part.crops for part in datasets] == [
        f'data/usot_release/{name}/crop511'
        for name in ('VID_flow', 'got10k_flow', 'lasot_flow', 'ytvos_flow')
    ]
    assert all(
        part.type == 'USOTCropDataset' and part.frame_sampler.memory == 4 and len(part.pipeline) > 5
        for part in datasets
    )
