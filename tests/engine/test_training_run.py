"""A training as the tools run it: what it says, and what it leaves behind in its process."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
import torch.distributed as dist

from tests.engine.tiny_training import tiny_config
from usot_plugin.testing.tools import run_tool_main

ROOT = Path(__file__).parents[2]


@pytest.fixture
def one_process(monkeypatch) -> None:
    """What torchrun gives to the only process of a run."""
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    here = {'RANK': 0, 'LOCAL_RANK': 0, 'WORLD_SIZE': 1, 'MASTER_ADDR': '127.0.0.1', 'MASTER_PORT': port}
    for name, value in here.items():
        monkeypatch.setenv(name, str(value))
    yield
    if dist.is_initialized():
        dist.destroy_process_group()


def test_a_distributed_run_ends_its_process_group_and_says_nothing_of_the_hosts_own_code(tmp_path, one_process, monkeypatch):
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '')
    cfg = tiny_config(tmp_path / 'work', **{'train_cfg.max_epochs': 1, 'train_dataloader.dataset.length': 2})
    cfg.dump(tmp_path / 'tiny.py')
    assert run_tool_main(ROOT / 'tools/train.py', tmp_path / 'tiny.py', '--launcher', 'pytorch') == 0
    assert (tmp_path / 'work/epoch_1.pth').is_file()
    assert not dist.is_initialized()
    (log,) = (tmp_path / 'work').glob('*/*.log')
    text = log.read_text(encoding='utf-8')
    assert 'Checkpoints will be saved to' in text, 'the notices stand before this line'
    assert 'FileClient" will be' not in text and 'HardDiskBackend' not in text
