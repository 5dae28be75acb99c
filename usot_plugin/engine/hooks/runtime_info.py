"""Makes ``custom_imports = dict(imports=['usot_plugin'], ...)`` enough: every Runner tells our
parts the epoch.

MMEngine's Runner always has a ``RuntimeInfoHook``, which publishes what is going on in a run, the
epoch for one. It takes the class from the registry; the one that is registered here goes on to do
the same, and besides tells our models and data sets.
"""

from __future__ import annotations

from typing import Any

from mmengine.hooks import RuntimeInfoHook
from mmengine.runner import Runner

from usot_plugin.models.base_sot import BaseSOTModel
from usot_plugin.registry import HOOKS
from usot_plugin.utils.checkpoint import use_safe_loader, use_whole_files

from .training_stage import TrainingStageHook, bare_model, walk_datasets


@HOOKS.register_module(name='RuntimeInfoHook', force=True)
class SOTRuntimeInfoHook(RuntimeInfoHook):
    """MMEngine's hook, which for our models and data sets does what ``TrainingStageHook`` and
    ``SafeCheckpointHook`` do.

    It stands in for them where a config does not name them; runs without any part of ours are left
    as they are. Data sets of ours are told the epoch under a foreign model, too. ``FlexibleRunner``
    loads checkpoints before its hooks run; they are read safely first in any case
    (:func:`~usot_plugin.utils.checkpoint.try_safe_loader_first`).
    """

    _stage: TrainingStageHook | None = None

    def before_run(self, runner: Runner) -> None:
        """For a model of ours: checkpoints as data alone, written whole."""
        super().before_run(runner)
        if isinstance(bare_model(runner), BaseSOTModel):
            use_safe_loader()
            use_whole_files()

    def before_train(self, runner: Runner) -> None:
        """Refuse what cannot be trained right, see :class:`TrainingStageHook`."""
        super().before_train(runner)
        stands_in = trains_ours(runner) and not any(
            isinstance(hook, TrainingStageHook) for hook in runner.hooks
        )
        self._stage = TrainingStageHook() if stands_in else None
        if self._stage is not None:
            self._stage.before_train(runner)

    def before_train_epoch(self, runner: Runner) -> None:
        """Set epoch and stage."""
        super().before_train_epoch(runner)
        if self._stage is not None:
            self._stage.before_train_epoch(runner)


def trains_ours(runner: Runner) -> bool:
    """Whether the model, or any part of its training data, is of this package."""
    parts = walk_datasets(runner.train_dataloader.dataset)
    return isinstance(bare_model(runner), BaseSOTModel) or any(
        draws_by_epoch(part) for part in parts
    )


def draws_by_epoch(dataset: Any) -> bool:
    """Whether a data set is of a class of this package, or derived from one, and has to be told the
    epoch."""
    ours = any(cls.__module__.startswith('usot_plugin.') for cls in type(dataset).__mro__)
    return ours and hasattr(dataset, 'set_epoch')
