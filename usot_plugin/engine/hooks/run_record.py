"""What was trained, when and for how long, beside its checkpoints."""

from __future__ import annotations

import json
import math
import multiprocessing
import os
import platform
import sys
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import mmengine
import numpy as np
import torch
from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.runner import Runner

from usot_plugin.registry import HOOKS
from usot_plugin.utils.atomic import write_text
from usot_plugin.utils.code_version import code_version
from usot_plugin.utils.config import ConfigError
from usot_plugin.utils.json_text import parse_json
from usot_plugin.version import __version__

#: Losses are means over so many iterations.
LOSS_WINDOW_ITERATIONS = 50


@HOOKS.register_module()
class RunRecordHook(Hook):
    """Writes ``<work_dir>/run.json``: a list with one entry for each start of the training, a
    resumed one after those before.

    An entry holds the config's name, the command line, seed, versions and commit, where it began
    (``from_epoch``, ``from_iteration``) and how far it came (``epoch``, ``iteration``, ``losses``),
    ``start`` and ``end`` (UTC), wall and CPU seconds. It is written at the start, after every epoch
    and at the end: a run that was stopped has ``end`` null and the numbers of its last whole epoch.
    The commit of the start also goes into ``meta.code`` of every checkpoint. Only the first process
    of a distributed training writes; CPU seconds are its own and its loaders'.
    """

    priority = 'LOW'

    def __init__(self) -> None:
        self._earlier: list[dict[str, Any]] = []
        self._entry: dict[str, Any] = {}
        self._began = (0.0, 0.0)

    @master_only
    def before_train(self, runner: Runner) -> None:
        """Begin an entry.

        Raises:
            ConfigError: There is a ``run.json`` that is none of ours.
        """
        self._earlier = _read(Path(runner.work_dir, 'run.json'))
        self._began = (time.monotonic(), cpu_seconds())
        self._entry = {
            'config': Path(runner.cfg.filename or '').name,
            'command': sys.argv,
            'seed': runner.seed,
            'code': code_version(),
            'versions': {
                'usot_plugin': __version__,
                'python': platform.python_version(),
                'torch': str(torch.__version__),
                'mmengine': mmengine.__version__,
                'numpy': np.__version__,
            },
            'processes': runner.world_size,
            'start': _now(),
            'end': None,
            'from_epoch': runner.epoch,
            'from_iteration': runner.iter,
        }
        self._write(runner, runner.epoch)

    @master_only
    def after_train_epoch(self, runner: Runner) -> None:
        """How far the run has come."""
        self._write(runner, runner.epoch + 1)  # MMEngine counts it after its hooks

    @master_only
    def after_train(self, runner: Runner) -> None:
        """The end."""
        self._entry['end'] = _now()
        self._write(runner, runner.epoch)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """The commit of the start goes with the weights."""
        if self._entry:
            checkpoint['meta']['code'] = self._entry['code']

    def _write(self, runner: Runner, epoch: int) -> None:
        wall = time.monotonic() - self._began[0]
        cpu = cpu_seconds() - self._began[1]
        self._entry |= {
            'epoch': epoch,
            'iteration': runner.iter,
            'losses': _last_losses(runner),
            'wall_s': round(wall, 1),
            'cpu_s': round(cpu, 1),
        }
        write_text(
            Path(runner.work_dir, 'run.json'),
            json.dumps([*self._earlier, self._entry], indent=1) + '\n',
        )


def _read(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    try:
        entries = parse_json(path.read_text(encoding='utf-8'))
    except ValueError as error:
        raise ConfigError(f'{path}: not a record of trainings ({error}); move it away') from error
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ConfigError(f'{path}: not a record of trainings (no list of them); move it away')
    return entries


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec='seconds')


def _last_losses(runner: Runner) -> dict[str, float]:
    """Means of the losses over the last iterations, those that are numbers."""
    scalars = {
        name: buffer
        for name, buffer in runner.message_hub.log_scalars.items()
        if name.startswith('train/') and 'loss' in name
    }
    means = {
        name.removeprefix('train/'): float(buffer.mean(LOSS_WINDOW_ITERATIONS))
        for name, buffer in scalars.items()
    }
    return {name: round(value, 6) for name, value in means.items() if math.isfinite(value)}


def cpu_seconds() -> float:
    """CPU time of this process and its children; of those that still run where the system tells it
    (Linux)."""
    used = sum(os.times()[:4])
    for child in multiprocessing.active_children():
        stat = Path(f'/proc/{child.pid}/stat')
        if stat.exists():
            fields = stat.read_text().rpartition(')')[2].split()
            used += sum(int(ticks) for ticks in fields[11:13]) / os.sysconf('SC_CLK_TCK')
    return used
