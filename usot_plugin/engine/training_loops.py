"""A training loop that goes on in the middle of an epoch."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dist import get_rank, get_world_size, is_main_process
from mmengine.logging import print_log
from mmengine.optim import OptimWrapper
from mmengine.runner import EpochBasedTrainLoop
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader

from usot_plugin.registry import LOOPS
from usot_plugin.utils.atomic import write_text
from usot_plugin.utils.worker_pool import loader_death


class LoaderDiedError(RuntimeError):
    """A loader process of the training died.

    Args:
        cause: What died and of what.
        checkpoint: What was saved because of it, None where nothing could be.
    """

    #: No fault of the command: going on with it is what mends it.
    from_outside = True

    def __init__(self, cause: str, checkpoint: Path | None = None) -> None:
        super().__init__(cause)
        self.checkpoint = checkpoint


@contextmanager
def deaths_wait() -> Iterator[None]:
    """Hear of dead children when the block is done, not inside it.

    PyTorch raises the death of a loader process from a signal handler, wherever the main thread is:
    also between two halves of an optimizer's step.
    """
    if not hasattr(signal, 'SIGCHLD') or (
        threading.current_thread() is not threading.main_thread()
    ):
        yield  # PyTorch has no handler here either
        return
    handler = signal.getsignal(signal.SIGCHLD)
    if not callable(handler):
        yield
        return
    heard = []
    signal.signal(signal.SIGCHLD, lambda number, frame: heard.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGCHLD, handler)
    if heard:
        handler(signal.SIGCHLD, None)


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

    When a loader process dies, the step under way is finished and saved as ``iter_<n>.pth``, from
    which the training goes on as if nothing had been.

    Args:
        seed_iterations: Seed PyTorch's and NumPy's global generators in every iteration; nothing of
            a training sample depends on them.
        **kwargs: As for :class:`mmengine.runner.EpochBasedTrainLoop`.
    """

    def __init__(self, *args: Any, seed_iterations: bool = True, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._iter: int
        self.seed_iterations = seed_iterations
        self._first_iter: int | None = None

    def run_epoch(self) -> None:
        """One epoch, or what is left of it.

        Raises:
            LoaderDiedError: A loader process died; what was learnt is saved where it can be.
        """
        self.runner.call_hook('before_train_epoch')
        self.runner.model.train()
        done = self._done_batches()
        if self._first_iter is None:
            self._first_iter = self._iter
        try:
            for index, data_batch in self._batches(done):
                with deaths_wait():
                    self.run_iter(index, data_batch)
            with deaths_wait():
                self.runner.call_hook('after_train_epoch')
                self._epoch += 1
        except RuntimeError as error:
            cause = loader_death(error)
            if cause is None:
                raise
            where = f'after iteration {self._iter} (epoch {self._iter // len(self.dataloader) + 1})'
            raise LoaderDiedError(f'{cause}, {where}', self._save()) from error

    def _save(self) -> Path | None:
        """Save between two steps, as MMEngine's CheckpointHook does; returns the file.

        None where nothing was learnt since the start, where gradients of half a step would be
        lost, and where the weights lie in several processes.
        """
        wrapper = self.runner.optim_wrapper
        wrappers = [wrapper] if isinstance(wrapper, OptimWrapper) else list(wrapper.values())
        if self._iter == self._first_iter or not all(one.should_update() for one in wrappers):
            return None
        whole = get_world_size() == 1 or isinstance(self.runner.model, DistributedDataParallel)
        if not whole or not is_main_process():
            return None
        file = Path(self.runner.work_dir, f'iter_{self._iter}.pth')
        self.runner.save_checkpoint(
            self.runner.work_dir,
            file.name,
            meta=dict(epoch=self._epoch, iter=self._iter),
            by_epoch=False,
        )
        write_text(Path(self.runner.work_dir, 'last_checkpoint'), str(file))
        return file

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
