"""The learning rate of every epoch, against the release's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import PARAM_SCHEDULERS
from torch import nn

from usot_plugin.engine import LogSpaceLR

ROOT = Path(__file__).parents[2]
SCHEDULE = ROOT / 'configs/_base_/schedules/usot_30e.py'


@pytest.fixture
def golden() -> list[dict]:
    # tests/golden/usot/train_schedule.json: the USOT release's values per epoch, made by running
    # its schedule.
    return json.loads((ROOT / 'tests/golden/usot/train_schedule.json').read_text(encoding='utf-8'))


def _model() -> nn.Module:
    return nn.ModuleDict({name: nn.Linear(2, 2) for name in ('backbone', 'neck', 'head')})


def _rates(optim_wrapper, schedulers: list, steps: int) -> list[dict[str, float]]:
    rates = []
    for _ in range(steps):
        rates.append({group['name']: group['lr'] for group in optim_wrapper.optimizer.param_groups})
        optim_wrapper.optimizer.step()
        for scheduler in schedulers:
            scheduler.step()
    return rates


def _build(cfg: Config):
    wrapper = build_optim_wrapper(_model(), cfg.optim_wrapper)
    return wrapper, [
        PARAM_SCHEDULERS.build(item, default_args=dict(optimizer=wrapper))
        for item in cfg.param_scheduler
    ]


def test_every_epoch_of_the_config_has_the_releases_learning_rates(golden):
    cfg = Config.fromfile(SCHEDULE)
    rates = _rates(*_build(cfg), steps=cfg.train_cfg.max_epochs)
    assert len(rates) == len(golden) == 30
    for ours, theirs in zip(rates, golden, strict=True):
        for part in ('backbone', 'neck', 'head'):
            assert ours[part] == pytest.approx(theirs[f'lr_{part}'], rel=1e-12)


def test_backbone_learns_from_the_releases_epoch_on(golden):
    hook = Config.fromfile(SCHEDULE).custom_hooks[0]
    assert [row['epoch'] - 1 >= hook.train_from_epoch for row in golden] == [
        row['backbone_trained'] for row in golden
    ]


def test_resumed_schedule_goes_on_as_if_it_never_stopped():
    cfg = Config.fromfile(SCHEDULE)
    whole = _rates(*_build(cfg), steps=30)
    wrapper, schedulers = _build(cfg)
    _rates(wrapper, schedulers, steps=7)
    saved = wrapper.state_dict(), [scheduler.state_dict() for scheduler in schedulers]
    wrapper, schedulers = _build(cfg)
    wrapper.load_state_dict(saved[0])
    for scheduler, state in zip(schedulers, saved[1], strict=True):
        scheduler.load_state_dict(state)
    assert _rates(wrapper, schedulers, steps=23) == whole[7:]


def test_composes_with_a_warm_up_of_the_host():
    cfg = Config.fromfile(SCHEDULE)
    plain = _rates(*_build(cfg), steps=30)
    cfg.param_scheduler = [
        *cfg.param_scheduler,
        dict(type='ConstantLR', factor=0.5, begin=0, end=3),
    ]
    # ConstantLR halves the rate in its first two steps.
    assert [row['head'] for row in _rates(*_build(cfg), steps=30)] == pytest.approx(
        [row['head'] * (0.5 if epoch < 2 else 1) for epoch, row in enumerate(plain)]
    )


def test_counted_in_iterations_the_ends_are_the_same():
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=2.0)
    cfg = dict(
        type='LogSpaceLR',
        start_factor=0.5,
        end_factor=0.125,
        begin=0,
        end=2,
        convert_to_iter_based=True,
    )
    scheduler = PARAM_SCHEDULERS.build(cfg, default_args=dict(optimizer=optimizer, epoch_length=5))
    rates = []
    for _ in range(12):
        rates.append(optimizer.param_groups[0]['lr'])
        optimizer.step()
        scheduler.step()
    assert rates[0] == 1.0
    assert rates[9:] == pytest.approx([0.25] * 3)  # constant after its end
    assert all(
        later / earlier == pytest.approx((1 / 4) ** (1 / 9))
        for earlier, later in zip(rates[:9], rates[1:10], strict=True)
    )


@pytest.mark.parametrize(
    'wrong', [dict(start_factor=0.0), dict(end_factor=-1.0), dict(end=1), dict()]
)
def test_refuses_what_has_no_logarithm_or_no_length(wrong):
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    with pytest.raises(ValueError, match='LogSpaceLR'):
        LogSpaceLR(optimizer, **{**(dict(end=5) if wrong else {}), **wrong})
