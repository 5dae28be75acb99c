"""What is asked of the process group before the first Runner is built."""

from __future__ import annotations

import pytest
from mmengine.config import Config

from usot_plugin.engine import distributed
from usot_plugin.engine.distributed import LaunchError, prepare_launcher, start_process_group


@pytest.fixture
def asked(monkeypatch) -> list[tuple]:
    """The calls of MMEngine's ``init_dist``, in place of a process group."""
    calls: list[tuple] = []
    monkeypatch.setattr(
        distributed, 'init_dist', lambda launcher, **options: calls.append((launcher, options))
    )
    monkeypatch.setattr(distributed, 'is_distributed', lambda: bool(calls))
    return calls


@pytest.mark.parametrize('launcher', ['pytorch', 'slurm'])
def test_with_a_gpu_the_group_is_started_as_the_runner_would(asked, monkeypatch, launcher):
    monkeypatch.setattr(distributed.torch.cuda, 'is_available', lambda: True)
    cfg = Config(dict(env_cfg=dict(dist_cfg=dict(backend='nccl'))))
    prepare_launcher(cfg, launcher, 3600)
    start_process_group(cfg)
    start_process_group(cfg)
    assert asked == [(launcher, {'backend': 'nccl', 'timeout': 3600})], (
        'once, and with patience for the slowest process'
    )


def test_without_a_launcher_there_is_no_group(asked):
    cfg = Config(dict(env_cfg=dict(dist_cfg=dict(backend='nccl'))))
    prepare_launcher(cfg, 'none')
    start_process_group(cfg)
    assert asked == []


@pytest.mark.parametrize(
    ('launcher', 'message'),
    [('slurm', 'needs a CUDA device'), ('pytorch', 'needs RANK in the environment')],
)
def test_what_cannot_be_started_is_refused_in_one_line(monkeypatch, launcher, message):
    monkeypatch.setattr(distributed.torch.cuda, 'is_available', lambda: False)
    monkeypatch.delenv('RANK', raising=False)
    with pytest.raises(LaunchError, match=message):
        prepare_launcher(Config(dict()), launcher)
