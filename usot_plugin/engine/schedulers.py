"""Learning-rate schedules."""

from __future__ import annotations

from mmengine.optim import OptimWrapper
from mmengine.optim.scheduler.lr_scheduler import LRSchedulerMixin
from mmengine.optim.scheduler.param_scheduler import INF, _ParamScheduler
from torch.optim import Optimizer

from usot_plugin.registry import PARAM_SCHEDULERS


@PARAM_SCHEDULERS.register_module()
class LogSpaceLR(LRSchedulerMixin, _ParamScheduler):
    """Learning rate on a straight line in log space, from ``start_factor`` at step ``begin`` to
    ``end_factor`` at step ``end - 1``.

    Like MMEngine's own schedules it multiplies what it finds, so several compose in one
    ``param_scheduler`` list, groups keep their ``lr_mult``, and a resumed run goes on where it
    stopped. Each parameter group starts from its learning rate times ``start_factor``.

    USOT's schedule, 2.5e-3 to 5e-3 over five warm-up epochs and then to 2e-5, is two of them at
    ``lr=5e-3``; both are at 1 in epoch 5, which they share::

        param_scheduler = [
            dict(type='LogSpaceLR', start_factor=0.5, begin=0, end=6),
            dict(type='LogSpaceLR', end_factor=2e-5 / 5e-3, begin=5, end=30),
        ]

    Args:
        optimizer: Optimizer or its wrapper.
        start_factor: Factor at step ``begin``.
        end_factor: Factor at step ``end - 1``.
        begin: First step (epoch or iteration, from 0) of the schedule.
        end: One past its last step.
        last_step: Index of the last step, for a resume without state dict.
        by_epoch: Steps are epochs, else iterations.
        verbose: Print each change.

    Raises:
        ValueError: A factor is not positive, or there are fewer than two steps.
    """

    def __init__(
        self,
        optimizer: Optimizer | OptimWrapper,
        start_factor: float = 1.0,
        end_factor: float = 1.0,
        begin: int = 0,
        end: int = INF,
        last_step: int = -1,
        by_epoch: bool = True,
        verbose: bool = False,
    ) -> None:
        if start_factor <= 0 or end_factor <= 0:
            raise ValueError(
                f'factors of LogSpaceLR must be positive, got {start_factor} and {end_factor}'
            )
        if end == INF or end - begin < 2:
            raise ValueError(
                f'LogSpaceLR needs an end at least two steps after its begin, got {begin} and {end}'
            )
        self.start_factor = start_factor
        self.step_factor = (end_factor / start_factor) ** (1 / (end - begin - 1))
        super().__init__(
            optimizer, begin=begin, end=end, last_step=last_step, by_epoch=by_epoch, verbose=verbose
        )

    @classmethod
    def build_iter_from_epoch(
        cls,
        optimizer: Optimizer | OptimWrapper,
        begin: int = 0,
        end: int = INF,
        by_epoch: bool = True,
        epoch_length: int | None = None,
        **kwargs,
    ) -> LogSpaceLR:
        """The same schedule counted in iterations (``convert_to_iter_based=True`` in a config).

        Raises:
            ValueError: The schedule is not epoch-based or ``epoch_length`` is missing.
        """
        if not by_epoch or not epoch_length:
            raise ValueError(
                'only an epoch-based schedule with a known epoch length can be converted, got '
                f'{by_epoch}, {epoch_length}'
            )
        return cls(
            optimizer,
            begin=begin * epoch_length,
            end=end if end == INF else end * epoch_length,
            by_epoch=False,
            **kwargs,
        )

    def _get_value(self) -> list[float]:
        factor = self.start_factor if self.last_step == 0 else self.step_factor
        return [group[self.param_name] * factor for group in self.optimizer.param_groups]
