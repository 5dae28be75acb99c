"""MMEngine's Runner alone, as a host's own tool starts it, with the hooks of the default
runtime."""

from __future__ import annotations

import os
from copy import deepcopy
from pathlib import Path

import pytest
import torch
from mmengine.fileio import LocalBackend, register_backend
from mmengine.runner import Runner
from mmengine.runner.checkpoint import CheckpointLoader

from tests.engine.tiny_training import read_losses, tiny_config
from usot_plugin.utils.checkpoint import CheckpointError, try_safe_loader_first


def restore_host() -> None:
    """What MMEngine reads and writes with once this package is imported."""
    try_safe_loader_first()
    register_backend('local', LocalBackend, prefixes='', force=True)


@pytest.fixture(autouse=True)
def _hosts_own():
    restore_host()
    yield
    restore_host()


class Call:
    """Pickles as the call of a function."""

    def __init__(self, function, *arguments) -> None:
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


def run(work_dir, name: str, **changes) -> Runner:
    # A copy, because MMEngine takes `_delete_` out of what it merges.
    cfg = tiny_config(
        work_dir, experiment_name=f'{work_dir.parent.name}_{name}', **deepcopy(changes)
    )
    runner = Runner.from_cfg(cfg)
    runner.train()
    return runner


@pytest.mark.process
def test_the_hosts_runner_resumes_without_running_code(tmp_path, monkeypatch):
    run(tmp_path / 'whole', 'whole')
    run(tmp_path / 'cut', 'cut', **{'train_cfg.max_epochs': 1})
    allowed = []
    load = torch.load
    monkeypatch.setattr(
        torch,
        'load',
        lambda *args, **kwargs: allowed.append(kwargs.get('weights_only')) or load(*args, **kwargs),
    )
    run(tmp_path / 'cut', 'resumed', resume=True)
    assert allowed == [True]
    whole, resumed = read_losses(tmp_path / 'whole'), read_losses(tmp_path / 'cut')
    assert [row['iteration'] for row in resumed] == list(range(8))
    for ours, theirs in zip(resumed, whole, strict=True):
        assert ours == pytest.approx(theirs, rel=1e-5)


def test_a_file_that_runs_code_is_refused(tmp_path):
    torch.save({'state_dict': Call(os.mkdir, str(tmp_path / 'ran'))}, tmp_path / 'bad.pth')
    with pytest.raises(CheckpointError, match=r'bad\.pth: refused'):
        run(tmp_path / 'work', 'bad', load_from=str(tmp_path / 'bad.pth'))
    assert not (tmp_path / 'ran').exists()


def test_checkpoints_are_there_whole_or_not_at_all(tmp_path, monkeypatch):
    replaced = []
    replace = os.replace
    monkeypatch.setattr(
        os,
        'replace',
        lambda source, target: replaced.append(Path(target).name) or replace(source, target),
    )
    run(tmp_path / 'work', 'whole', **{'train_cfg.max_epochs': 1})
    assert 'epoch_1.pth' in replaced


@pytest.mark.process
def test_inside_an_epoch_under_the_named_loop(tmp_path):
    """As docs/mixing.md says for the host's own tools."""
    loop = {
        'train_cfg': dict(_delete_=True, type='ResumableEpochLoop', max_epochs=2),
        'default_hooks.checkpoint.by_epoch': False,
        'default_hooks.checkpoint.interval': 3,
    }
    run(tmp_path / 'whole', 'loop_whole', **loop)
    (tmp_path / 'cut').mkdir()
    os.replace(tmp_path / 'whole' / 'iter_3.pth', tmp_path / 'cut' / 'iter_3.pth')
    (tmp_path / 'cut' / 'last_checkpoint').write_text(str(tmp_path / 'cut' / 'iter_3.pth'))
    run(tmp_path / 'cut', 'loop_cut', resume=True, **loop)
    assert read_losses(tmp_path / 'cut') == read_losses(tmp_path / 'whole')[3:]


def test_import_alone_leaves_other_files_to_the_host(tmp_path, monkeypatch):
    torch.save({'state_dict': {'weight': torch.ones(1)}}, tmp_path / 'plain.pth')
    torch.save({'state_dict': Call(os.mkdir, str(tmp_path / 'ran'))}, tmp_path / 'bad.pth')
    asked = []
    monkeypatch.setattr(
        'usot_plugin.utils.checkpoint.load_from_local',
        lambda filename, map_location: asked.append(filename),
    )
    assert (
        CheckpointLoader.load_checkpoint(str(tmp_path / 'plain.pth'), 'cpu')['state_dict']['weight']
        == 1
    )
    assert asked == []
    CheckpointLoader.load_checkpoint(str(tmp_path / 'bad.pth'), 'cpu')
    assert asked == [str(tmp_path / 'bad.pth')]
    assert not (tmp_path / 'ran').exists()
