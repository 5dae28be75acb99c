"""Trainings that end by the clock."""

import math
from types import SimpleNamespace

import pytest
import torch

from usot_plugin.engine.hooks import ChannelsLastHook, FrozenBackboneHook, TimeBudgetHook
from usot_plugin.engine.hooks import time_budget as module


class Hub(dict):
    def get_info(self, key, default):
        return self.get(key, default)

    def update_info(self, key, value):
        self[key] = value


def make_runner(hub=None, **groups):
    optimizer = SimpleNamespace(param_groups=[{'lr': 1.0, **groups}, {'lr': 0.1}])
    loop = SimpleNamespace(_max_epochs=1000)
    return SimpleNamespace(
        optim_wrapper=SimpleNamespace(optimizer=optimizer),
        message_hub=hub if hub is not None else Hub(),
        iter=0,
        epoch=0,
        train_loop=loop,
    )


def test_the_rate_follows_the_clock_and_the_last_epoch_ends_it(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(module.time, 'monotonic', lambda: now[0])
    hook, runner = TimeBudgetHook(minutes=1, warmup_iters=10, final_factor=0.0), make_runner()
    groups = runner.optim_wrapper.optimizer.param_groups
    hook.before_train_iter(runner, 0)
    assert [group['lr'] for group in groups] == pytest.approx([0.1, 0.01])  # warm-up
    now[0], runner.iter = 1030.0, 50
    hook.before_train_iter(runner, 0)
    assert [group['lr'] for group in groups] == pytest.approx([0.5, 0.05])
    hook.after_train_epoch(runner)
    assert runner.train_loop._max_epochs == 1000
    now[0], runner.epoch = 1061.0, 7
    hook.before_train_iter(runner, 0)
    assert groups[0]['lr'] == pytest.approx(0)
    hook.after_train_epoch(runner)
    assert runner.train_loop._max_epochs == 8


def test_a_resumed_run_counts_what_went_before(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(module.time, 'monotonic', lambda: now[0])
    hub = Hub()
    first, runner = TimeBudgetHook(minutes=1, warmup_iters=0, final_factor=0.0), make_runner(hub)
    first.before_train_iter(runner, 0)
    now[0] = 30.0
    first.after_train_epoch(runner)
    now[0] = 5000.0
    resumed = make_runner(hub, lr=0.2, full_lr=1.0)  # the optimizer's state keeps the full rate
    resumed.iter = 100
    second = TimeBudgetHook(minutes=1, warmup_iters=0, final_factor=0.0)
    second.before_train_iter(resumed, 0)
    assert resumed.optim_wrapper.optimizer.param_groups[0]['lr'] == pytest.approx(
        (1 + math.cos(math.pi / 2)) / 2
    )
    assert second.elapsed() == pytest.approx(30)


def test_a_budget_is_positive():
    with pytest.raises(ValueError, match='minutes must be positive, got 0'):
        TimeBudgetHook(minutes=0)


def test_channels_last():
    model = torch.nn.Conv2d(3, 8, 3)
    ChannelsLastHook().before_train(SimpleNamespace(model=model))
    assert model.weight.is_contiguous(memory_format=torch.channels_last)


def test_norms_of_learning_stages_can_keep_their_statistics():
    backbone = torch.nn.Sequential(
        torch.nn.Sequential(torch.nn.Conv2d(3, 4, 1), torch.nn.BatchNorm2d(4)),
        torch.nn.BatchNorm2d(4),
    )
    model = torch.nn.Module()
    model.backbone = backbone
    for norm_eval, trains in ((False, True), (True, False)):
        hook = FrozenBackboneHook(train_from_epoch=0, trained=('0.0', '0.1'), norm_eval=norm_eval)
        hook.before_train_epoch(SimpleNamespace(model=model, epoch=0))
        model.train()
        hook.before_train_iter(SimpleNamespace(model=model), 0)
        assert backbone[0][1].training is trains and backbone[0][1].weight.requires_grad
        assert not backbone[1].training and not backbone[1].weight.requires_grad
