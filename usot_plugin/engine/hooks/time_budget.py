"""A training that lasts so many minutes, whatever machine it runs on."""

from __future__ import annotations

import math
import time

import torch
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import Runner

from usot_plugin.registry import HOOKS

#: Where the time that earlier parts of a resumed run took is kept.
SECONDS_KEY = 'seconds_trained'


@HOOKS.register_module()
class TimeBudgetHook(Hook):
    """Ends the training after the epoch in which its time is up; until then the learning rate
    follows a cosine of the time.

    A recipe with fixed iterations would take minutes on one machine and days on another. It
    replaces ``param_scheduler``, and counts the time of earlier parts of a resumed run, too. Epochs
    should be short against the budget.

    Args:
        minutes: Time for the training itself, the start of the program not counted.
        warmup_iters: Iterations in which the rate rises from a tenth.
        final_factor: Factor on the rate at the end.

    Raises:
        ValueError: ``minutes`` is not positive.
    """

    priority = 'LOW'

    def __init__(self, minutes: float, warmup_iters: int = 100, final_factor: float = 0.01) -> None:
        if minutes <= 0:
            raise ValueError(f'TimeBudgetHook: minutes must be positive, got {minutes}')
        self.seconds = minutes * 60
        self.warmup_iters = warmup_iters
        self.final_factor = final_factor
        self._begin: float | None = None
        self._before = 0.0
        self._rates: list[float] = []

    def elapsed(self) -> float:
        """Seconds of training, earlier parts included."""
        return self._before + (0.0 if self._begin is None else time.monotonic() - self._begin)

    def before_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None
    ) -> None:
        """Set the rate."""
        groups = runner.optim_wrapper.optimizer.param_groups
        if self._begin is None:
            self._begin = time.monotonic()
            self._before = float(runner.message_hub.get_info(SECONDS_KEY, 0.0))
            # A resumed optimizer comes with the rates of its last step: those of its construction
            # are kept beside them.
            self._rates = [group.setdefault('full_lr', group['lr']) for group in groups]
        progress = min(1.0, self.elapsed() / self.seconds)
        cosine = (
            self.final_factor + (1 - self.final_factor) * (1 + math.cos(math.pi * progress)) / 2
        )
        factor = cosine * min(1.0, 0.1 + 0.9 * runner.iter / max(1, self.warmup_iters))
        for group, rate in zip(groups, self._rates, strict=True):
            group['lr'] = rate * factor

    def after_train_epoch(self, runner: Runner) -> None:
        """Note the time, and end the loop when it is up."""
        runner.message_hub.update_info(SECONDS_KEY, self.elapsed())
        if self.elapsed() >= self.seconds:
            print_log(
                f'the {self.seconds / 60:g} minutes are up after epoch {runner.epoch + 1}',
                logger='current',
            )
            # Not stop_training: this way it is the last epoch for every other hook, and the
            # checkpoint hook saves it.
            runner.train_loop._max_epochs = runner.epoch + 1


@HOOKS.register_module()
class ChannelsLastHook(Hook):
    """Keeps the weights in channels-last order during training, which half-precision convolutions
    of a GPU are several times faster in."""

    def before_train(self, runner: Runner) -> None:
        """Convert the model."""
        runner.model.to(memory_format=torch.channels_last)
