"""Short runs of a whole (narrow) USOT: stages, freezing, precision, accumulation, averaging,
compilation."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from mmengine.runner import Runner

from tests.engine.tiny_training import read_losses, tiny_config
from usot_plugin.engine import NonFiniteLossError
from usot_plugin.engine.distributed import enable_amp

#: Losses of the same numbers added up in another order.
SAME_LOSS = 2e-5


def _train(work_dir: Path, **changes) -> Runner:
    cfg = tiny_config(work_dir, **changes)
    cfg.experiment_name = (
        f'{work_dir.parent.name}_{work_dir.name}'  # MMEngine keeps one logger for each name
    )
    runner = Runner.from_cfg(cfg)
    runner.train()
    return runner


def _weights(runner: Runner) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in runner.model.state_dict().items()}


@pytest.fixture(scope='module')
def plain(tmp_path_factory) -> tuple[Runner, list[dict]]:
    work_dir = tmp_path_factory.mktemp('plain')
    return _train(work_dir), read_losses(work_dir)


@pytest.mark.process
def test_cycle_stage_begins_with_its_epoch(plain):
    losses = plain[1]
    assert [('loss_mem' in row) for row in losses] == [False] * 4 + [True] * 4
    assert all(math.isfinite(row['loss']) for row in losses)


@pytest.mark.process
def test_loss_falls_on_fixed_groups(tmp_path):
    # One group, drawn again and again: whatever else is wrong, this has to be learnt.
    _train(
        tmp_path,
        **{
            'train_dataloader.dataset.length': 2,
            'train_cfg.max_epochs': 25,
            'model.train_cfg.cycle_start_epoch': None,
        },
    )
    losses = [row['loss'] for row in read_losses(tmp_path)]
    assert sum(losses[-3:]) < 0.9 * sum(losses[:3])


@pytest.mark.process
@pytest.mark.parametrize('workers', [1])
def test_persistent_workers_see_epoch_and_stage(tmp_path, plain, workers):
    _train(tmp_path, workers=workers)
    assert [row['loss'] for row in read_losses(tmp_path)] == pytest.approx(
        [row['loss'] for row in plain[1]], rel=SAME_LOSS
    )


@pytest.mark.process
def test_accumulated_gradients_equal_the_larger_batch(tmp_path):
    large = _train(tmp_path / 'large', model='StillNormUSOT', batch=4)
    small = _train(
        tmp_path / 'small',
        model='StillNormUSOT',
        batch=2,
        **{'optim_wrapper.accumulative_counts': 2},
    )
    for name, value in _weights(large).items():
        torch.testing.assert_close(_weights(small)[name], value, rtol=1e-4, atol=1e-6, msg=name)


@pytest.mark.process
def test_bfloat16_stays_near_full_precision(tmp_path, plain):
    cfg = tiny_config(tmp_path)
    enable_amp(cfg)
    expected = 'AmpOptimWrapper' if torch.cuda.is_available() else 'AutocastOptimWrapper'
    assert cfg.optim_wrapper.type == expected
    runner = Runner.from_cfg(cfg)
    runner.train()
    reduced, full = ([row['loss'] for row in rows] for rows in (read_losses(tmp_path), plain[1]))
    assert reduced == pytest.approx(full, rel=0.05)
    assert reduced != full
    assert all(value.dtype != torch.bfloat16 for value in runner.model.state_dict().values())


@pytest.mark.process
def test_averaged_weights_lag_behind_and_are_saved(tmp_path, plain):
    hooks = [*tiny_config(tmp_path).custom_hooks, dict(type='EMAHook', momentum=0.1)]
    runner = _train(tmp_path, custom_hooks=hooks)
    assert [row['loss'] for row in read_losses(tmp_path)] == pytest.approx(
        [row['loss'] for row in plain[1]], rel=SAME_LOSS
    )
    saved = torch.load(
        tmp_path / 'epoch_2.pth', weights_only=False
    )  # our own file, written a moment ago
    key = 'head.cls_search.' + next(
        name for name in runner.model.head.cls_search.state_dict() if name.endswith('weight')
    )
    last = runner.model.state_dict()[key]
    torch.testing.assert_close(saved['ema_state_dict'][f'module.{key}'], last)
    assert not torch.equal(saved['state_dict'][key], last)


@pytest.mark.process
@pytest.mark.slow
def test_compiled_step_gives_the_same_losses(tmp_path):
    # Two steps of the cycle stage; a change of stage or freezing would be compiled once more.
    short = {
        'train_cfg.max_epochs': 1,
        'train_dataloader.dataset.length': 4,
        'model.train_cfg.cycle_start_epoch': 0,
    }
    _train(tmp_path / 'plain', **short)
    _train(tmp_path / 'compiled', **short, compile=dict(backend='aot_eager'))
    plain, compiled = (
        [row['loss'] for row in read_losses(tmp_path / name)] for name in ('plain', 'compiled')
    )
    assert compiled == pytest.approx(plain, rel=1e-4)


def test_nan_stops_the_run_and_names_the_clips(tmp_path):
    with pytest.raises(
        NonFiniteLossError,
        match=r'loss\S* = nan.* at epoch 2, batch 2 .*clip2\.mp4 \(frame 2\), clip3\.mp4 \(frame '
        r'3\)',
    ):
        _train(tmp_path, **{'train_dataloader.dataset.poison': 3})
    assert (tmp_path / 'epoch_1.pth').exists()
    assert not (tmp_path / 'epoch_2.pth').exists()
