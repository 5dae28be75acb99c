"""Tells the model and the data set which epoch and stage of training they are in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.model import is_model_wrapper
from mmengine.runner import EpochBasedTrainLoop, Runner
from torch import nn

from usot_plugin.registry import HOOKS
from usot_plugin.utils.config import ConfigError

#: Stage without and with memory frames, as data sets know them.
NAIVE, CYCLE = 'naive', 'cycle'


def bare_model(runner: Runner) -> nn.Module:
    """The model without its parallel wrapper."""
    return runner.model.module if is_model_wrapper(runner.model) else runner.model


def walk_datasets(dataset: Any) -> Iterator[Any]:
    """``dataset`` and everything it wraps or mixes (attributes ``dataset`` and ``datasets``),
    outermost first."""
    yield dataset
    if hasattr(dataset, 'dataset'):
        yield from walk_datasets(dataset.dataset)
    for part in getattr(dataset, 'datasets', ()):
        yield from walk_datasets(part)


@HOOKS.register_module()
class TrainingStageHook(Hook):
    """Before each epoch calls ``set_epoch(epoch)`` of the model and of the data sets, and
    ``set_stage(stage)`` of the data sets, if any.

    The stage is ``'cycle'`` from the epoch ``model.train_cfg['cycle_start_epoch']`` on (counted
    from 0; None: never), before it is ``'naive'``. A model without that key has no stages; its data
    sets are left as configured.

    A config need not name it: :class:`~usot_plugin.engine.hooks.runtime_info.SOTRuntimeInfoHook`
    stands in for it.

    Persistent workers hold copies of the data set: one that is used with them keeps epoch and stage
    in shared memory, as ``PseudoBoxDataset`` does.
    """

    priority = 'VERY_HIGH'

    def before_train(self, runner: Runner) -> None:
        """Refuse a loop that does not count epochs, and training data whose views are not those
        that the model needs.

        Raises:
            ConfigError: The training loop is not epoch-based, or the model cannot learn from what a
                frame sampler gives.
        """
        if not isinstance(runner.train_loop, EpochBasedTrainLoop):
            raise ConfigError(
                'the stages of training are counted in epochs, the training loop is '
                f'{type(runner.train_loop).__name__}: '
                'use train_cfg = dict(by_epoch=True, max_epochs=...)'
            )
        model: Any = bare_model(runner)
        for dataset in walk_datasets(runner.train_dataloader.dataset):
            counts = getattr(getattr(dataset, 'frame_sampler', None), 'view_counts', None)
            if counts is not None and hasattr(model, 'check_views'):
                model.check_views(counts)

    def before_train_epoch(self, runner: Runner) -> None:
        """Set epoch and stage."""
        epoch = runner.epoch
        model: Any = bare_model(runner)
        if hasattr(model, 'set_epoch'):
            model.set_epoch(epoch)
        stage = self._stage(model, epoch)
        for dataset in walk_datasets(runner.train_dataloader.dataset):
            if hasattr(dataset, 'set_epoch'):
                dataset.set_epoch(epoch)
            if stage is not None and hasattr(dataset, 'set_stage'):
                dataset.set_stage(stage)
        if stage is not None and stage != self._stage(model, epoch - 1):
            print_log(f'epoch {epoch + 1}: the {stage} stage begins', logger='current')

    @staticmethod
    def _stage(model: nn.Module, epoch: int) -> str | None:
        train_cfg = getattr(model, 'train_cfg', None) or {}
        if 'cycle_start_epoch' not in train_cfg:
            return None
        start = train_cfg['cycle_start_epoch']
        return CYCLE if start is not None and epoch >= start else NAIVE
