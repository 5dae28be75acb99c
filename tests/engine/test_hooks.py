"""Stages, freezing and the stop at a loss that is no number, without a training loop."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from mmengine.runner import EpochBasedTrainLoop
from torch import nn
from torch.utils.data import ConcatDataset, Dataset, Subset

from tests.engine.tiny_training import MadeUpGroups
from usot_plugin.engine import (
    FrozenBackboneHook,
    NonFiniteLossError,
    NonFiniteLossHook,
    TrainingStageHook,
)
from usot_plugin.engine.hooks.training_stage import walk_datasets
from usot_plugin.structures.sot_sample import SOTSample, StackedSamples
from usot_plugin.utils.config import ConfigError


class _Backbone(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)
        for name in ('layer1', 'layer2', 'layer3'):
            setattr(self, name, nn.Sequential(nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4)))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.layer3(self.layer2(self.layer1(self.bn1(self.conv1(images)))))


class _Model(nn.Module):
    def __init__(self, **train_cfg: Any) -> None:
        super().__init__()
        self.backbone, self.head = _Backbone(), nn.Conv2d(4, 1, 1)
        self.train_cfg, self.epoch = train_cfg, None

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch


def _runner(model: nn.Module, epoch: int, dataset: Dataset | None = None) -> SimpleNamespace:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=0.1)
    loader = SimpleNamespace(dataset=dataset, persistent_workers=False)
    return SimpleNamespace(
        model=model,
        epoch=epoch,
        iter=0,
        optim_wrapper=SimpleNamespace(optimizer=optimizer),
        train_dataloader=loader,
    )


def _step(runner: SimpleNamespace, hook: FrozenBackboneHook) -> dict[str, torch.Tensor]:
    """One epoch of one step, hooks called in MMEngine's order; returns what changed."""
    before = {name: value.clone() for name, value in runner.model.state_dict().items()}
    hook.before_train_epoch(runner)
    runner.model.train()
    hook.before_train_iter(runner, 0)
    runner.optim_wrapper.optimizer.zero_grad()
    runner.model.head(runner.model.backbone(torch.rand(2, 3, 4, 4))).sum().backward()
    runner.optim_wrapper.optimizer.step()
    return {
        name
        for name, value in runner.model.state_dict().items()
        if not torch.equal(value, before[name])
    }


def test_frozen_backbone_keeps_weights_and_statistics():
    changed = _step(_runner(_Model(), epoch=8), FrozenBackboneHook(train_from_epoch=9))
    assert changed == {'head.weight', 'head.bias'}


def test_free_stages_learn_and_the_stem_stays():
    changed = _step(_runner(_Model(), epoch=9), FrozenBackboneHook(train_from_epoch=9))
    learnt = {name.split('.')[1] for name in changed if name.startswith('backbone.')}
    assert learnt == {'layer1', 'layer2', 'layer3'}
    assert any(name.endswith('running_mean') for name in changed)


def test_legacy_lets_frozen_statistics_move():
    changed = _step(_runner(_Model(), epoch=0), FrozenBackboneHook(train_from_epoch=9, legacy=True))
    backbone = {name for name in changed if name.startswith('backbone.')}
    assert backbone
    assert all(
        name.rsplit('.', 1)[-1] in ('running_mean', 'running_var', 'num_batches_tracked')
        for name in backbone
    )


@pytest.mark.parametrize('legacy', [False, True])
def test_only_legacy_forgets_momentum_when_the_backbone_begins_to_learn(legacy):
    runner, hook = _runner(_Model(), epoch=8), FrozenBackboneHook(train_from_epoch=9, legacy=legacy)
    _step(runner, hook)
    for epoch, expected in ((8, True), (9, not legacy)):
        runner.epoch = epoch
        hook.before_train_epoch(runner)
        assert bool(runner.optim_wrapper.optimizer.state) is expected


def test_unknown_stage_of_the_backbone_is_named():
    hook = FrozenBackboneHook(trained=('layer4',))
    with pytest.raises(
        ValueError, match=r"_Backbone has no submodule 'layer4'; it has \['bn1', 'conv1', 'layer1'"
    ):
        hook.before_train_epoch(_runner(_Model(), epoch=0))


def _mixture() -> ConcatDataset:
    return ConcatDataset([Subset(MadeUpGroups(), [0, 1]), MadeUpGroups()])


def test_walk_finds_every_wrapped_data_set():
    assert [type(part).__name__ for part in walk_datasets(_mixture())] == [
        'ConcatDataset',
        'Subset',
        'MadeUpGroups',
        'MadeUpGroups',
    ]


@pytest.mark.parametrize(
    ('start', 'epoch', 'stage'),
    [(5, 4, 'naive'), (5, 5, 'cycle'), (0, 0, 'cycle'), (None, 29, 'naive')],
)
def test_stage_and_epoch_reach_model_and_data(start, epoch, stage):
    mixture, model = _mixture(), _Model(cycle_start_epoch=start)
    TrainingStageHook().before_train_epoch(_runner(model, epoch, mixture))
    assert model.epoch == epoch
    leaves = [part for part in walk_datasets(mixture) if isinstance(part, MadeUpGroups)]
    assert [(leaf.stage, leaf.epoch) for leaf in leaves] == [(stage, epoch)] * 2


def test_model_without_stages_leaves_the_data_as_configured():
    dataset = MadeUpGroups()
    dataset.set_stage('cycle')
    TrainingStageHook().before_train_epoch(_runner(_Model(), 3, dataset))
    assert (dataset.stage, dataset.epoch) == ('cycle', 3)


def test_loop_without_epochs_is_refused():
    runner = SimpleNamespace(train_loop=SimpleNamespace())
    with pytest.raises(
        ConfigError, match='counted in epochs, the training loop is SimpleNamespace'
    ):
        TrainingStageHook().before_train(runner)


def _batch(clips: int) -> dict:
    return {
        'data_samples': [
            SOTSample(metainfo=dict(clip=f'c{index}.mp4', frame_index=index))
            for index in range(clips)
        ]
    }


@pytest.mark.parametrize('value', [float('nan'), float('inf')])
def test_non_finite_loss_is_named_with_its_clips(value):
    runner = _runner(_Model(), epoch=2)
    outputs = {
        'loss': torch.tensor(value),
        'loss_reg': torch.tensor(1.0),
        'loss_mem': torch.tensor(value),
    }
    with pytest.raises(NonFiniteLossError) as caught:
        NonFiniteLossHook().after_train_iter(runner, 4, _batch(18), outputs)
    message = str(caught.value)
    assert message.startswith(
        f'loss = {value}, loss_mem = {value} at epoch 3, batch 5 (iteration 1); clips of the '
        'batch: c0.mp4 (frame 0), '
    )
    assert message.endswith('c15.mp4 (frame 15), and 2 more')


def test_non_finite_loss_of_rendered_groups_is_named():
    batch = {'data_samples': StackedSamples({'gt_bboxes': torch.zeros(32, 4)})}
    with pytest.raises(NonFiniteLossError, match='32 rendered groups'):
        NonFiniteLossHook().after_train_iter(
            _runner(_Model(), epoch=0), 0, batch, {'loss': torch.tensor(math.nan)}
        )


def test_other_numbers_of_the_log_may_be_infinite():
    outputs = {'loss': torch.tensor(1.0), 'grad_norm': torch.tensor(float('inf'))}
    NonFiniteLossHook().after_train_iter(_runner(_Model(), epoch=0), 0, _batch(1), outputs)


def test_the_model_is_asked_about_the_views_of_every_part_before_training():
    asked = []
    model, dataset = _Model(), _mixture()
    model.check_views = asked.append
    for part, counts in zip(
        (part for part in walk_datasets(dataset) if isinstance(part, MadeUpGroups)),
        ({'hops': 1}, None),
        strict=True,
    ):
        part.frame_sampler = SimpleNamespace(view_counts=counts)
    runner = _runner(model, 0, dataset)
    runner.train_loop = EpochBasedTrainLoop.__new__(EpochBasedTrainLoop)
    TrainingStageHook().before_train(runner)
    assert asked == [{'hops': 1}], 'a sampler that does not know its counts says nothing'
