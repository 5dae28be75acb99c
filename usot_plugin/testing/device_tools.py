"""Does ``tools/train.py`` give the same on a device as on the CPU? The part of
:mod:`~usot_plugin.testing.device_checks` that trains with whole tools."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from usot_plugin.utils.config import load_config
from usot_plugin.utils.packaged import packaged_folder
from usot_plugin.visualization.loss_curves import read_scalars

from .isolated import Outcome, agreement
from .tools import load_tool

if TYPE_CHECKING:
    from .device_checks import Bench

#: Of the losses of a few training steps against those in float32, relative.
STEP_BOUNDS = {'float16': 0.05, 'bfloat16': 0.05, 'tf32': 0.01, 'channels-last': 1e-3}
#: Batches of a short training.
STEPS = 4
#: What a process should not say; looked for in its output.
NOISE = (
    'destroy_process_group',
    'find_unused_parameters=True was',
    '"FileClient" will',
    'TensorFloat32',
)


def training_config(bench: Bench, name: str, changes: Mapping[str, Any] | None = None) -> Path:
    """Two epochs of :data:`STEPS` batches of the quick USOT, the second one in the cycle stage;
    every loss is logged."""
    cfg = load_config('configs/quick/usot_quick.py')
    cfg.merge_from_dict(
        {
            'train_cfg.max_epochs': 2,
            'model.train_cfg.cycle_start_epoch': 1,
            'default_hooks.logger.interval': 1,
            'log_processor.window_size': 1,
            'param_scheduler': [],
            'randomness.seed': 0,
            **(changes or {}),
        }
    )
    loader = cfg.train_dataloader
    loader.batch_size, loader.num_workers, loader.persistent_workers = 4, 0, False
    loader.dataset.update(table=str(bench.table()), samples_per_epoch=4 * STEPS)
    path = bench.folder / f'{name}.py'
    cfg.dump(path)
    return path


def tool_losses(work_dir: Path) -> np.ndarray:
    """The losses that a training has logged, one a step."""
    return read_scalars(work_dir)['loss'][:, 1]


def train_here(bench: Bench, name: str, *arguments: str, config: str | None = None) -> np.ndarray:
    """Run ``tools/train.py`` in this process, unless it was done before; the losses of its
    steps."""
    work_dir = bench.folder / 'work' / name
    if not (work_dir / 'epoch_2.pth').is_file():
        path = training_config(bench, config or name)
        tool = load_tool(packaged_folder('tools') / 'train.py')
        status = tool.main([str(path), '--work-dir', str(work_dir), *arguments])
        if status:
            raise RuntimeError(
                f'tools/train.py ended with status {status}; its message is in the log'
            )
    return tool_losses(work_dir)


def relative(losses: np.ndarray, others: np.ndarray) -> float:
    """Largest difference, relative to the largest loss."""
    return float(np.abs(losses - others).max() / np.abs(others).max())


def check_amp_tool(bench: Bench) -> Outcome:
    """``tools/train.py --amp`` against the same command without."""
    plain = train_here(bench, 'plain')
    reduced = train_here(bench, 'amp', '--amp')
    return agreement(
        relative(reduced, plain),
        STEP_BOUNDS['float16'],
        '',
        f'last loss {reduced[-1]:.4f}, float32 {plain[-1]:.4f}',
    )


def check_resume_amp(bench: Bench) -> Outcome:
    """A run under ``--amp`` that goes on after its first epoch against the same run in one
    piece."""
    whole = train_here(bench, 'amp', '--amp')
    saved = bench.folder / 'work' / 'amp' / 'epoch_1.pth'
    resumed = train_here(bench, 'amp_resumed', '--amp', '--resume', str(saved), config='amp')
    return agreement(
        relative(resumed[-STEPS:], whole[-STEPS:]),
        1e-3,
        '',
        f'{len(resumed)} steps after the first epoch',
    )


def train_as_process(bench: Bench, name: str, changes: Mapping[str, Any]) -> tuple[np.ndarray, str]:
    """``tools/dist_train.sh`` with one process; its losses, and what it printed."""
    work_dir = bench.folder / 'work' / name
    path = training_config(bench, name, changes)
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    script = [
        'bash',
        str(packaged_folder('tools') / 'dist_train.sh'),
        str(path),
        '1',
        '--work-dir',
        str(work_dir),
    ]
    where = f'{Path(sys.executable).parent}:'
    script = ['env', f'PORT={port}', 'bash', '-c', f'PATH={where}$PATH exec "$@"', 'sh', *script]
    done = subprocess.run(
        script,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=self_limit(bench),
        check=False,
    )
    print(done.stdout, flush=True)
    if done.returncode:
        last = [
            line for line in done.stdout.splitlines() if re.search(r'error', line, re.IGNORECASE)
        ]
        raise RuntimeError(
            f'exit status {done.returncode}: {last[-1].strip() if last else done.stdout[-200:]}'
        )
    return tool_losses(work_dir), done.stdout


def self_limit(bench: Bench) -> float:
    """Seconds that a started process has."""
    return max(5.0, bench.limit_s - 5)


def check_distributed(bench: Bench, name: str, changes: Mapping[str, Any]) -> Outcome:
    """One process over NCCL (Gloo on a CPU) against the run without a process group."""
    plain = train_here(bench, 'plain')
    begin = time.perf_counter()
    losses, said = train_as_process(bench, name, changes)
    noise = [word for word in NOISE if word in said]
    detail = f'{time.perf_counter() - begin:.0f} s as a process, ' + (
        f'it says: {", ".join(noise)}' if noise else 'no warning'
    )
    return agreement(relative(losses, plain), 0.01, '', detail)


def check_ddp(bench: Bench) -> Outcome:
    """DDP with SyncBN, which needs a GPU; on a CPU with plain batch norm."""
    return check_distributed(
        bench, 'ddp', {'sync_bn': 'torch'} if bench.device.type == 'cuda' else {}
    )


def check_fsdp(bench: Bench) -> Outcome:
    """Fully sharded parameters."""
    return check_distributed(
        bench,
        'fsdp',
        {'runner_type': 'FlexibleRunner', 'strategy': dict(type='ResumableFSDPStrategy')},
    )
