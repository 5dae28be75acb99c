"""A training loop that goes on in the middle of an epoch."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dist import get_rank
from mmengine.logging import print_log
from mmengine.runner import EpochBasedTrainLoop
from torch.utils.data import DataLoader

from usot_plugin.registry import LOOPS


def remaining_batches(dataloader: DataLoader, done: int) -> DataLoader:
    """The same loader without its first ``done`` batches, which are never read; for one pass."""
    assert dataloader.batch_sampler is not None  # there is one unless the data set is a stream
    left = list(islice(dataloader.batch_sampler, done, None))
    return DataLoader(
        dataloader.dataset,
        batch_sampler=left,
        num_workers=dataloader.num_workers,
        collate_fn=dataloader.collate_fn,
        pin_memory=dataloader.pin_memory,
        timeout=dataloader.timeout,
        worker_init_fn=dataloader.worker_init_fn,
        multiprocessing_context=dataloader.multiprocessing_context,
        prefetch_factor=dataloader.prefetch_factor,
    )


@LOOPS.register_module()
class ResumableEpochLoop(EpochBasedTrainLoop):
    """MMEngine's epoch-based loop, resumable from a checkpoint that was saved between two
    iterations.

    MMEngine begins the epoch of such a checkpoint anew, with its iteration counter ahead. Here the
    batches that were learnt before are left out (their samples are not read), and what the network
    draws at random (dropout, stochastic depth) depends on seed, iteration and rank
    alone: the resumed run repeats the losses of one that was never stopped. Checkpoints by
    iteration are MMEngine's ``CheckpointHook(by_epoch=False, interval=500)``.

    Args:
        seed_iterations: Seed PyTorch's and NumPy's global generators in every iteration; nothing of
            a training sample depends on them.
        **kwargs: As for :class:`mmengine.runner.EpochBasedTrainLoop`.
    """

    def __init__(self, *args: Any, seed_iterations: bool = True, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._iter: int
        self.seed_iterations = seed_iterations

    def run_epoch(self) -> None:
        """One epoch, or what is left of it."""
        self.runner.call_hook('before_train_epoch')
        self.runner.model.train()
        done = self._done_batches()
        for index, data_batch in self._batches(done):
            self.run_iter(index, data_batch)
        self.runner.call_hook('after_train_epoch')
        self._epoch += 1

    def _done_batches(self) -> int:
        """Batches of this epoch that the resumed checkpoint has learnt."""
        length = len(self.dataloader)
        done = self._iter - self._epoch * length
        # All of them where it was saved after the last batch, before the epoch was closed
        if 0 <= done <= length:
            return done
        print_log(
            f'iteration {self._iter} lies outside epoch {self._epoch + 1} of {length} batches '
            '(data, batch size or number of processes '
            'have changed since the checkpoint): the epoch begins anew',
            logger='current',
            level=logging.WARNING,
        )
        self._iter = self._epoch * length
        return 0

    def _batches(self, done: int) -> Iterator[tuple[int, Any]]:
        if not done:
            yield from enumerate(self.dataloader)
            return
        print_log(
            f'epoch {self._epoch + 1} goes on after batch {done} of {len(self.dataloader)}',
            logger='current',
        )
        yield from enumerate(remaining_batches(self.dataloader, done), done)

    def run_iter(self, idx: int, data_batch: Any) -> None:
        """One step, its randomness a matter of the iteration."""
        if self.seed_iterations and self.runner.seed is not None:
            state = np.random.SeedSequence(
                [self.runner.seed, self._iter, get_rank()]
            ).generate_state(2)
            torch.manual_seed(int(state[0]))
            np.random.seed(int(state[1]))
        super().run_iter(idx, data_batch)


def use_resumable_loop(cfg: Config) -> None:
    """Replace the short form ``train_cfg = dict(by_epoch=True, ...)`` by
    :class:`ResumableEpochLoop`; another loop stays."""
    loop = cfg.get('train_cfg')
    if loop and 'type' not in loop and loop.get('by_epoch', True):
        options = {key: value for key, value in loop.items() if key != 'by_epoch'}
        cfg.train_cfg = dict(type='ResumableEpochLoop', **options)
