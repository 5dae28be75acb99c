"""One training as the tools start it: built with care, so that what the user can mend is said in
one line."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.registry import RUNNERS
from mmengine.runner import Runner, find_latest_checkpoint
from torch import nn

from usot_plugin.datasets import CropStoreError, NoSampleError
from usot_plugin.datasets.benchmarks.annotations import AnnotationError
from usot_plugin.discovery.table.format import TableError
from usot_plugin.structures.clip import ClipError
from usot_plugin.utils.atomic import naming_full_disk
from usot_plugin.utils.checkpoint import (
    CheckpointError,
    check_fit,
    check_resumable,
    extract_state_dict,
    load_checkpoint,
    use_safe_loader,
    use_whole_files,
)
from usot_plugin.utils.config import ConfigError
from usot_plugin.utils.host import drop_host_notices
from usot_plugin.utils.optional import MissingPackageError
from usot_plugin.utils.worker_pool import loader_death

from .distributed import LaunchError
from .hooks import NonFiniteLossError
from .hooks.training_stage import bare_model
from .training_loops import LoaderDiedError

#: MMEngine's file that names the latest checkpoint of a work dir.
NOTE = 'last_checkpoint'
#: Errors whose message says all; everything else is a fault of the program and keeps its traceback.
MENDABLE = (
    AnnotationError,
    CheckpointError,
    ClipError,
    ConfigError,
    CropStoreError,
    LaunchError,
    LoaderDiedError,
    MissingPackageError,
    NonFiniteLossError,
    NoSampleError,
    TableError,
)


def check_trainable(cfg: Config, config: str) -> None:
    """Refuse a config without what every training needs.

    Raises:
        ConfigError: A key is missing.
    """
    for key in ('model', 'train_dataloader', 'train_cfg', 'optim_wrapper'):
        if not cfg.get(key):
            raise ConfigError(f'{config}: there is no {key} in it, so it cannot be trained')


def build_runner(cfg: Config, config: str) -> Runner:
    """Model and data set, and the checkpoint to start from held against the model.

    Args:
        cfg: The whole config.
        config: Its file, for messages.

    Raises:
        ConfigError: A part cannot be built as configured.
        CheckpointError: The checkpoint is of another model, holds no training to resume, or weights
            that are not finite.
    """
    check_trainable(cfg, config)
    use_safe_loader()
    use_whole_files()
    resume = bool(cfg.get('resume'))
    start = cfg.get('load_from') or (latest_checkpoint(cfg.work_dir) if resume else None)
    # Behind a URL, or a folder of shards: MMEngine's matter.
    local = start if start and '://' not in str(start) and not Path(start).is_dir() else None
    if resume and start:  # MMEngine would go by its note alone, which a full disk leaves empty
        cfg.load_from = str(start)
    if local and resume:
        check_resumable(load_checkpoint(local), local)
    elif local and cfg.get('runner_type'):
        extract_state_dict(load_checkpoint(local), local)
    try:
        # FlexibleRunner: the strategy builds the model later and loads what is to be loaded
        if cfg.get('runner_type'):
            runner = RUNNERS.build(cfg)
            drop_host_notices(runner.logger)
            return runner
        with _naming_full_disk(cfg.work_dir):
            runner = Runner.from_cfg(cfg)
        drop_host_notices(runner.logger)
        runner.train_loop  # noqa: B018  (builds the data set)
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(f'{config}: {error}') from error
    if local:
        check_fit(bare_model(runner), local, partly=not resume)
    if cfg.get('compile'):
        options = {} if cfg.compile is True else dict(cfg.compile)
        parts = compile_parts(bare_model(runner), **options)
        runner.cfg.compile = False  # or MMEngine would compile the whole training step
        runner.logger.info(
            f'torch.compile: {" and ".join(parts)}. The first steps of a stage compile, without '
            'a line '
            'of the log meanwhile; on a GPU that can take more than a minute'
        )
    return runner


def train(runner: Runner) -> None:
    """Run the training.

    Raises:
        LoaderDiedError: A loader process died.
        OSError: The disk is full; a file or the work dir is named.
    """
    try:
        with _naming_full_disk(runner.work_dir):
            runner.train()
    except LoaderDiedError:
        raise
    except RuntimeError as error:  # outside of the steps of :class:`ResumableEpochLoop`
        cause = loader_death(error)
        if cause is None:
            raise
        raise LoaderDiedError(cause) from error


@contextmanager
def _naming_full_disk(work_dir: str) -> Iterator[None]:
    """For MMEngine's own files: log, scalars, dumped config."""
    usual = logging.FileHandler.handleError  # prints a traceback for every line of the log

    def handle(handler: logging.Handler, record: logging.LogRecord) -> None:
        error = sys.exc_info()[1]
        if isinstance(error, OSError):
            raise error
        usual(handler, record)

    setattr(logging.FileHandler, 'handleError', handle)  # noqa: B010  (mypy forbids the assignment)
    try:
        with naming_full_disk(work_dir):
            yield
    finally:
        setattr(logging.FileHandler, 'handleError', usual)  # noqa: B010


def latest_checkpoint(work_dir: str | Path) -> Path | None:
    """Where a training goes on: what MMEngine's note names, or else the newest checkpoint.

    What the note names may have been removed by hand, and a full disk leaves the note empty.
    """
    if not Path(work_dir).is_dir():
        return None
    noted = find_latest_checkpoint(str(work_dir)) if Path(work_dir, NOTE).is_file() else None
    if noted and Path(noted).exists():
        return Path(noted)
    found = [path for kind in ('epoch_*.pth', 'iter_*.pth') for path in Path(work_dir).glob(kind)]
    return max(found, key=lambda path: path.stat().st_mtime_ns, default=None)


def compile_parts(model: nn.Module, **options: Any) -> list[str]:
    """Compile the parts where the work is, backbone and neck, each when it is called first.

    MMEngine's own ``compile`` takes the whole training step, losses and labels included: far more
    to compile for little more speed.

    Args:
        model: Changed in place; names of its weights stay.
        **options: Of ``torch.compile``.

    Returns:
        What was compiled, ``'backbone'`` and, where there is one, ``'neck'``.

    Raises:
        ConfigError: The model has neither.
    """
    parts = {
        name: getattr(model, name)
        for name in ('backbone', 'neck')
        if isinstance(getattr(model, name, None), nn.Module)
    }
    if not parts:
        raise ConfigError(f'compile: {type(model).__name__} has neither backbone nor neck')
    for part in parts.values():
        for module in part if isinstance(part, nn.ModuleList) else [part]:
            module.compile(**options)
    return list(parts)
