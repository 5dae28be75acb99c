"""What a run needs before MMEngine's Runner is built, so that the same command works with and
without a GPU."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist
from mmengine.config import Config, ConfigDict
from mmengine.dist import init_dist, is_distributed

from usot_plugin.utils.folder_lock import folder_lock

#: A process may wait this long for another one that still tracks, mines or stores crops.
PATIENCE_S = 7 * 24 * 3600


class LaunchError(RuntimeError):
    """Processes cannot be started, or the config not be changed, as the command line asks."""


def prepare_launcher(cfg: Config, launcher: str, timeout_s: int | None = None) -> None:
    """Set the launcher in ``cfg`` and, where there is no CUDA device, start the process group over
    Gloo.

    MMEngine's own start binds each process to a CUDA device; on a machine without one it is done
    here, and the model wrapper is told so.

    Args:
        cfg: Config of the run; changed in place.
        launcher: ``'none'``, ``'pytorch'`` (torchrun) or ``'slurm'``.
        timeout_s: How long a process waits for the others; the back end's own limit by default.

    Raises:
        LaunchError: ``'pytorch'`` without torchrun's environment, or ``'slurm'`` on a machine
            without CUDA.
    """
    cfg.launcher = launcher
    if timeout_s is not None:
        environment = ConfigDict(cfg.get('env_cfg') or {})
        environment.dist_cfg = ConfigDict(
            {'backend': 'nccl', 'timeout': timeout_s, **environment.get('dist_cfg', {})}
        )
        cfg.env_cfg = environment
    if launcher == 'none' or torch.cuda.is_available():
        return
    if launcher != 'pytorch':
        raise LaunchError(
            f'--launcher {launcher} needs a CUDA device, this machine has none; use --launcher '
            'pytorch (torchrun)'
        )
    missing = [
        name
        for name in ('RANK', 'WORLD_SIZE', 'MASTER_ADDR', 'MASTER_PORT')
        if name not in os.environ
    ]
    if missing:
        raise LaunchError(
            f'--launcher pytorch needs {missing[0]} in the environment: start through '
            'tools/dist_train.sh or torchrun'
        )
    if not dist.is_initialized():
        dist.init_process_group('gloo', timeout=timedelta(seconds=timeout_s) if timeout_s else None)
    if cfg.get('strategy'):  # of a FlexibleRunner, which wraps the model itself
        cfg.strategy.model_wrapper = _wrapper_on_cpu(
            cfg.strategy.get('model_wrapper'), cfg, 'FSDP' in cfg.strategy.type
        )
    else:
        cfg.model_wrapper_cfg = _wrapper_on_cpu(cfg.get('model_wrapper_cfg'), cfg)


def start_process_group(cfg: Config) -> None:
    """Let the processes find each other before the first Runner is built, for work that comes
    before it.

    Args:
        cfg: What :func:`prepare_launcher` has made of the config; without a launcher nothing is
            done.
    """
    if cfg.launcher != 'none' and not is_distributed():
        init_dist(cfg.launcher, **(cfg.get('env_cfg') or {}).get('dist_cfg', {}))


def is_first_process(launcher: str) -> bool:
    """Whether this is the process that writes, before the processes have found each other.

    Args:
        launcher: ``'none'``, ``'pytorch'`` or ``'slurm'``.
    """
    variable = {'pytorch': 'RANK', 'slurm': 'SLURM_PROCID'}.get(launcher)
    return variable is None or os.environ.get(variable, '0') == '0'


@contextmanager
def work_dir_lock(folder: str | Path, launcher: str) -> Iterator[None]:
    """Keep a second training out of a folder; the first process does so for all of them.

    Raises:
        FolderInUseError: Another training is there.
    """
    if is_first_process(launcher):
        with folder_lock(folder):
            yield
    else:
        yield


def end_process_group() -> None:
    """Leave the process group at the end of a run that went well; NCCL minds a process that just
    exits.

    Not after an error: the other processes may still wait in a collective call, which the end of
    the group would wait for, too.
    """
    if dist.is_available() and dist.is_initialized():
        dist.destroy_process_group()


def _wrapper_on_cpu(given: ConfigDict | None, cfg: Config, sharded: bool = False) -> ConfigDict:
    """The config of a model wrapper, told to stay on the CPU."""
    wrapper = ConfigDict(given or {})
    wrapper.setdefault(
        'type', 'MMFullyShardedDataParallel' if sharded else 'MMDistributedDataParallel'
    )
    if 'Sharded' in wrapper.type:
        wrapper.setdefault('use_orig_params', True)
        wrapper.device_id = 'cpu'
        return wrapper
    wrapper.setdefault('broadcast_buffers', False)
    wrapper.setdefault('find_unused_parameters', cfg.get('find_unused_parameters', False))
    wrapper.device_ids = None
    return wrapper


def enable_amp(cfg: Config) -> None:
    """Turn on mixed precision in ``cfg``: float16 with loss scaling on CUDA, bfloat16 elsewhere.

    Raises:
        LaunchError: The config's optimizer wrapper is of a kind that has no mixed-precision twin.
    """
    wrapper = cfg.optim_wrapper
    kind = wrapper.get('type', 'OptimWrapper')
    if kind in ('AmpOptimWrapper', 'AutocastOptimWrapper'):
        return
    if kind != 'OptimWrapper':
        raise LaunchError(f'--amp replaces OptimWrapper, the config has {kind}')
    if torch.cuda.is_available():
        wrapper.type = 'AmpOptimWrapper'
        wrapper.setdefault('loss_scale', 'dynamic')
    else:
        wrapper.type = 'AutocastOptimWrapper'


def set_tf32(cfg: Config, enabled: bool) -> None:
    """Have ``TensorFloat32Hook`` in ``cfg``, in place of one that is there."""
    hooks = [
        hook for hook in cfg.get('custom_hooks') or [] if hook.get('type') != 'TensorFloat32Hook'
    ]
    cfg.custom_hooks = [*hooks, dict(type='TensorFloat32Hook', enabled=enabled)]
