"""Going on inside an epoch: the same batches, the same dropout, the same weights."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch import nn
from torch.utils.data import DataLoader, Dataset

from usot_plugin.engine.training_loops import remaining_batches, use_resumable_loop
from usot_plugin.registry import DATASETS, HOOKS, MODELS
from usot_plugin.utils.checkpoint import try_safe_loader_first, use_safe_loader

ITEMS, BATCH, EPOCHS = 10, 2, 3


@DATASETS.register_module()
class NumberedItems(Dataset):
    read: list[int] = []

    def __init__(self, items: int = ITEMS) -> None:
        self.items = items

    def __len__(self) -> int:
        return self.items

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        self.read.append(index)
        return {'inputs': torch.tensor([float(index), 1.0, index**0.5])}


@MODELS.register_module()
class DropoutModel(BaseModel):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(3, 8), nn.Dropout(0.5), nn.Linear(8, 1))

    def forward(self, inputs, mode='loss'):
        return {'loss': self.layers(torch.stack(inputs)).square().mean()}


@HOOKS.register_module()
class KeepLosses(Hook):
    def __init__(self, stop_after: int | None = None) -> None:
        self.stop_after, self.losses = stop_after, {}

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.losses[runner.iter] = float(outputs['loss'].detach())
        if self.stop_after == runner.iter:
            raise KeyboardInterrupt


@pytest.fixture(autouse=True)
def _safe_loader():
    """As tools/train.py does: official MMEngine cannot read its own checkpoints under torch 2.6 and
    later."""
    use_safe_loader()
    yield
    try_safe_loader_first()


def run(work_dir: Path, stop_after: int | None = None, resume: bool = False, **changes):
    torch.manual_seed(99 if resume else 0)  # a new process would not have the old one's generator
    cfg = Config(
        dict(
            work_dir=str(work_dir),
            experiment_name=f'{work_dir.parent.name}_{work_dir.name}_{resume}',
            model=dict(type='DropoutModel'),
            train_dataloader=dict(
                batch_size=BATCH,
                num_workers=0,
                dataset=dict(type='NumberedItems'),
                sampler=dict(type='DefaultSampler', shuffle=True),
            ),
            train_cfg=dict(by_epoch=True, max_epochs=EPOCHS),
            optim_wrapper=dict(optimizer=dict(type='SGD', lr=1e-3, momentum=0.9)),
            param_scheduler=[
                dict(type='LinearLR', start_factor=0.1, begin=0, end=12, by_epoch=False)
            ],
            default_hooks=dict(
                checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=7, max_keep_ckpts=3)
            ),
            custom_hooks=[dict(type='KeepLosses', stop_after=stop_after)],
            randomness=dict(seed=3),
            resume=resume,
        )
    )
    cfg.merge_from_dict(changes)
    use_resumable_loop(cfg)
    runner = Runner.from_cfg(cfg)
    if stop_after is None:
        runner.train()
    else:
        with pytest.raises(KeyboardInterrupt):
            runner.train()
    losses = next(hook.losses for hook in runner.hooks if isinstance(hook, KeepLosses))
    return losses, {name: value.clone() for name, value in runner.model.state_dict().items()}


def test_a_run_resumed_inside_an_epoch_repeats_the_whole_one(tmp_path):
    whole, weights = run(tmp_path / 'whole')
    run(tmp_path / 'cut', stop_after=8)  # iteration 9 of 15; epochs end at 5, 10, 15; saved at 7
    NumberedItems.read = []
    rest, resumed = run(tmp_path / 'cut', resume=True)
    assert sorted(rest) == list(range(7, 15))
    assert len(NumberedItems.read) == BATCH * 8, 'samples that were learnt before are not read'
    assert rest == pytest.approx({key: whole[key] for key in rest}, rel=1e-6)
    for name, value in resumed.items():
        torch.testing.assert_close(value, weights[name])


def test_a_checkpoint_at_the_end_of_an_epoch_begins_the_next(tmp_path):
    every = {'default_hooks.checkpoint.interval': 5}
    whole, _ = run(tmp_path / 'whole', **every)
    run(tmp_path / 'cut', stop_after=12, **every)
    rest, _ = run(tmp_path / 'cut', resume=True, **every)
    assert rest == pytest.approx({key: whole[key] for key in range(10, 15)}, rel=1e-6)


def test_another_length_of_the_epoch_begins_it_anew_and_says_so(tmp_path, caplog):
    run(tmp_path / 'cut', stop_after=8)
    with caplog.at_level(logging.WARNING, logger='mmengine'):
        rest, _ = run(tmp_path / 'cut', resume=True, **{'train_dataloader.dataset.items': 40})
    # Iteration 7 of epoch 2 lies in epoch 1 now.
    assert sorted(rest) == list(range(20, 60))


def test_remaining_batches_are_the_last_ones_of_the_same_order():
    loader = DataLoader(
        NumberedItems(),
        batch_size=3,
        shuffle=False,
        collate_fn=lambda items: [int(item['inputs'][0]) for item in items],
    )
    assert list(remaining_batches(loader, 2)) == [[6, 7, 8], [9]]


def test_only_the_short_form_is_replaced():
    short, by_iteration, own = (
        Config(dict(train_cfg=loop))
        for loop in (
            dict(by_epoch=True, max_epochs=2),
            dict(by_epoch=False, max_iters=2),
            dict(type='Mine'),
        )
    )
    for cfg in (short, by_iteration, own):
        use_resumable_loop(cfg)
    assert short.train_cfg == dict(type='ResumableEpochLoop', max_epochs=2)
    assert by_iteration.train_cfg == dict(by_epoch=False, max_iters=2) and own.train_cfg == dict(
        type='Mine'
    )
    use_resumable_loop(Config(dict(model=None)))  # a config that trains nothing
