"""Stops a training whose loss is no longer a number."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor

from usot_plugin.registry import HOOKS
from usot_plugin.structures.sot_sample import StackedSamples

#: A message names so many clips of the batch at most.
NAMED_CLIPS = 16


class NonFiniteLossError(RuntimeError):
    """A loss is nan or infinite; the message names it, the iteration and the clips of the batch."""


@HOOKS.register_module()
class NonFiniteLossHook(Hook):
    """Raises when a loss is nan or infinite, naming the clips of the batch; nothing is saved after
    that step.

    Only the loss is looked at. Infinite gradients under mixed precision are the loss scaler's
    business: it skips the step and lowers its scale, and training goes on.
    """

    priority = 'VERY_HIGH'

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: dict[str, Tensor] | None = None,
    ) -> None:
        """Look at the losses of this step.

        Raises:
            NonFiniteLossError: One of them is nan or infinite.
        """
        losses = {
            name: float(value.detach()) for name, value in (outputs or {}).items() if 'loss' in name
        }
        bad = {name: value for name, value in losses.items() if not math.isfinite(value)}
        if bad:
            values = ', '.join(f'{name} = {value}' for name, value in bad.items())
            raise NonFiniteLossError(
                f'{values} at epoch {runner.epoch + 1}, batch {batch_idx + 1} (iteration '
                f'{runner.iter + 1}); '
                f'clips of the batch: {", ".join(_clips(data_batch)) or "unknown"}'
            )


def _clips(data_batch: Any) -> Iterator[str]:
    samples = data_batch.get('data_samples') or [] if isinstance(data_batch, dict) else []
    if isinstance(samples, StackedSamples):  # a group is made of several clips and names none
        yield f'{len(samples)} rendered groups, which the same seed and epoch draw again'
        return
    for sample in samples[:NAMED_CLIPS]:
        frame = getattr(sample, 'frame_index', None)
        yield f'{getattr(sample, "clip", "?")}' + ('' if frame is None else f' (frame {frame})')
    if len(samples) > NAMED_CLIPS:
        yield f'and {len(samples) - NAMED_CLIPS} more'
