"""Training under a config that names none of our hooks: one line of ``custom_imports``, as
docs/mixing.md says."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.registry import RUNNERS
from mmengine.runner import Runner

from tests.engine.tiny_training import ROOT, MadeUpGroups, read_losses, tiny_config
from usot_plugin.engine import TrainingStageHook
from usot_plugin.registry import HOOKS, MODELS
from usot_plugin.testing.media import moving_square_frames, write_frames
from usot_plugin.testing.tables import pseudo_track, write_table_part
from usot_plugin.utils.config import ConfigError


def _foreign(work_dir: Path, **changes: Any) -> Config:
    """The tiny training with the hooks that MMEngine's Runner has by itself."""
    cfg = tiny_config(work_dir, **{'custom_hooks': [dict(type='RecordLossHook')], **changes})
    own = [key for key in cfg.default_hooks if cfg.default_hooks[key].get('type', '') in OURS]
    for key in own:
        del cfg.default_hooks[key]
    cfg.experiment_name = f'{work_dir.parent.name}_{work_dir.name}_{cfg.get("resume")}'
    return cfg


OURS = ('SafeCheckpointHook', 'TrainingStageHook', 'NonFiniteLossHook', 'RunRecordHook')
FLEXIBLE = dict(runner_type='FlexibleRunner', strategy=dict(type='SingleDeviceStrategy'))


@pytest.fixture(scope='module')
def told(tmp_path_factory) -> list[dict[str, float]]:
    """Losses of the same training with :class:`TrainingStageHook` in its config."""
    work_dir = tmp_path_factory.mktemp('told')
    cfg = tiny_config(
        work_dir, custom_hooks=[dict(type='RecordLossHook')], experiment_name=work_dir.name
    )
    Runner.from_cfg(cfg).train()
    return read_losses(work_dir)


@pytest.mark.process
@pytest.mark.parametrize('runner', [{}, FLEXIBLE], ids=['Runner', 'FlexibleRunner'])
def test_the_import_alone_trains_the_same(tmp_path, told, runner):
    cfg = _foreign(tmp_path / 'work', workers=1, **runner)
    assert 'TrainingStageHook' not in cfg.pretty_text
    started = RUNNERS.build(cfg) if runner else Runner.from_cfg(cfg)
    started.train()
    assert not any(isinstance(hook, TrainingStageHook) for hook in started.hooks)
    losses = read_losses(tmp_path / 'work')
    assert ['loss_mem' in row for row in losses] == [False] * 4 + [True] * 4
    for ours, theirs in zip(losses, told, strict=True):
        assert ours == pytest.approx(theirs, rel=2e-5)


@pytest.mark.process
@pytest.mark.parametrize('runner', [{}, FLEXIBLE], ids=['Runner', 'FlexibleRunner'])
def test_and_resumes_in_the_cycle_stage(tmp_path, told, runner, monkeypatch):
    build = RUNNERS.build if runner else Runner.from_cfg
    build(_foreign(tmp_path / 'work', **runner, **{'train_cfg.max_epochs': 1})).train()
    allowed = []
    load = torch.load
    monkeypatch.setattr(
        torch,
        'load',
        lambda *args, **kwargs: allowed.append(kwargs.get('weights_only')) or load(*args, **kwargs),
    )
    build(_foreign(tmp_path / 'work', **runner, resume=True)).train()
    assert allowed and all(allowed)
    losses = read_losses(tmp_path / 'work')
    assert [row['iteration'] for row in losses] == list(range(8))
    for ours, theirs in zip(losses, told, strict=True):
        assert ours == pytest.approx(theirs, rel=2e-5)


@pytest.mark.process
def test_a_loop_without_epochs_is_refused(tmp_path):
    loop = dict(_delete_=True, type='IterBasedTrainLoop', max_iters=8)
    with pytest.raises(
        ConfigError, match='counted in epochs, the training loop is IterBasedTrainLoop'
    ):
        Runner.from_cfg(_foreign(tmp_path / 'work', train_cfg=loop)).train()


@pytest.mark.parametrize('start', [1, None])
def test_a_run_that_tells_nothing_is_refused(tmp_path, start):
    """Without a stage, too: each epoch would draw the samples of the first."""
    cfg = _foreign(tmp_path / 'work', **{'model.train_cfg.cycle_start_epoch': start})
    cfg.default_hooks.runtime_info = None
    with pytest.raises(ConfigError, match='USOT: nobody told the epoch'):
        Runner.from_cfg(cfg).train()


@MODELS.register_module()
class HostsModel(BaseModel):
    """A model that knows nothing of this package."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))

    def forward(self, inputs: list, data_samples: list, mode: str) -> dict[str, torch.Tensor]:
        return {'loss': self.weight.sum()}


def test_runs_without_a_part_of_ours_are_left_alone(tmp_path):
    cfg = _foreign(tmp_path / 'work', custom_hooks=[])
    cfg.model, cfg.optim_wrapper = dict(type='HostsModel'), dict(optimizer=dict(type='SGD', lr=0.1))
    runner = Runner.from_cfg(cfg)
    runner.train()
    data = runner.train_dataloader.dataset
    assert isinstance(data, MadeUpGroups) and data.epoch == 0


@HOOKS.register_module()
class RecordBatchHook(Hook):
    """Keeps epoch of the model, and a digest of what the loader gave it, by epoch."""

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        digest = hashlib.sha1(usedforsecurity=False)
        for name, crops in sorted(data_batch['inputs'].items()):
            digest.update(name.encode() + b''.join(crop.numpy().tobytes() for crop in crops))
        self.seen = [
            *getattr(self, 'seen', []),
            (runner.model.epoch, sorted(data_batch['inputs']), digest.hexdigest()),
        ]


FAMILIES = {
    'quick/udt_quick': {'model.backbone.channels': 4},
    'quick/s2siamfc_quick': {'model.backbone.width': 1 / 16},
    'quick/s2siamfc_quick_baseline': {'model.backbone.width': 1 / 16},
    'quick/cyclesiam_quick': {'model.train_cfg.cycle_start_epoch': 1},
    'pul/alexpul': {'model.backbone.width': 1 / 16},
}


@pytest.fixture(scope='module')
def table(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp('data')
    for number in range(3):
        frames, boxes = moving_square_frames(6, (160, 120), 30)
        write_frames(folder / f'clips/{number}', frames, '{:06d}.jpg', first=0)
        write_table_part(
            folder / 'table', str(number), folder / f'clips/{number}', pseudo_track(boxes, number)
        )
    return folder / 'table'


@pytest.mark.process
@pytest.mark.parametrize('name', FAMILIES)
def test_every_family_draws_afresh_in_each_epoch(tmp_path, table, name):
    cfg = Config.fromfile(ROOT / f'configs/{name}.py')
    cfg.merge_from_dict(cfg.get('discrimination') or {})
    data = {
        'batch_size': 2,
        'num_workers': 1,
        'persistent_workers': True,
        'sampler.shuffle': False,
        'dataset.table': str(table),
        'dataset.clips': None,
        'dataset.crop_store': None,
        'dataset.samples_per_epoch': 2,
    }
    cfg.merge_from_dict(
        {**FAMILIES[name], **{f'train_dataloader.{key}': value for key, value in data.items()}}
    )
    host = Config(
        dict(
            model=cfg.model,
            train_dataloader=cfg.train_dataloader,
            train_cfg=dict(by_epoch=True, max_epochs=3),
            optim_wrapper=dict(optimizer=dict(type='SGD', lr=1e-9)),
            custom_hooks=[dict(type='RecordBatchHook')],
            work_dir=str(tmp_path / 'work'),
            experiment_name=tmp_path.name,
            log_level='ERROR',
        )
    )
    runner = Runner.from_cfg(host)
    runner.train()
    seen = next(hook for hook in runner.hooks if isinstance(hook, RecordBatchHook)).seen
    assert [epoch for epoch, _, _ in seen] == [0, 1, 2]
    assert len({digest for _, _, digest in seen}) == 3
