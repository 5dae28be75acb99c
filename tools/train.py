"""Train a model: ``python tools/train.py CONFIG [--work-dir DIR] [--resume [CHECKPOINT]] [--amp] ...``."""

from __future__ import annotations

import argparse
import os
import re
import sys
from pathlib import Path

from mmengine.config import Config, DictAction
from mmengine.registry import RUNNERS
from mmengine.runner import Runner, find_latest_checkpoint

import usot_plugin  # noqa: F401  (registers everything)
from usot_plugin.datasets import CropStoreError, NoSampleError
from usot_plugin.datasets.benchmarks.annotations import AnnotationError
from usot_plugin.discovery.table_format import TableError
from usot_plugin.engine.distributed import LaunchError, enable_amp, prepare_launcher
from usot_plugin.engine.hooks import NonFiniteLossError
from usot_plugin.engine.hooks.training_stage import bare_model
from usot_plugin.engine.loops import use_resumable_loop
from usot_plugin.structures.clip import ClipError
from usot_plugin.utils.checkpoint import CheckpointError, check_fit, use_safe_loader, use_whole_files
from usot_plugin.utils.config import ConfigError, load_config

#: Errors whose message says all; everything else is a fault of the program and keeps its traceback.
MENDABLE = (
    AnnotationError,
    CheckpointError,
    ClipError,
    ConfigError,
    CropStoreError,
    LaunchError,
    NonFiniteLossError,
    NoSampleError,
    TableError,
)


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line of OpenMMLab's training tools."""
    parser = argparse.ArgumentParser(description='Train a tracker.')
    parser.add_argument('config', help='config file')
    parser.add_argument('--work-dir', help='folder for logs and checkpoints (default: work_dirs/<name of the config>)')
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        metavar='CHECKPOINT',
        help='go on from a checkpoint; without a path, from the latest in the work dir',
    )
    parser.add_argument('--amp', action='store_true', help='mixed precision: float16 on CUDA, bfloat16 elsewhere')
    parser.add_argument(
        '--auto-scale-lr', action='store_true', help='scale the learning rate with the batch size (auto_scale_lr of the config)'
    )
    parser.add_argument(
        '--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE', help='override keys of the config, e.g. randomness.seed=1'
    )
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm'], default='none', help='how the processes were started')
    parser.add_argument('--local-rank', '--local_rank', type=int, default=0, help='set by older launchers')
    args = parser.parse_args(argv)
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    return args


def build_config(args: argparse.Namespace) -> Config:
    """The config of the run, command line applied.

    Raises:
        ConfigError: The config, or an option for it, is wrong.
    """
    cfg = load_config(args.config, args.cfg_options)
    cfg.work_dir = args.work_dir or cfg.get('work_dir') or str(Path('work_dirs', Path(args.config).stem))
    if args.amp:
        enable_amp(cfg)
    if args.auto_scale_lr:
        if 'base_batch_size' not in cfg.get('auto_scale_lr', {}):
            raise ConfigError(f'{args.config}: --auto-scale-lr needs auto_scale_lr = dict(base_batch_size=...) in the config')
        cfg.auto_scale_lr.enable = True
    if args.resume is not None:
        cfg.resume = True
        if args.resume != 'auto':
            cfg.load_from = args.resume
    use_resumable_loop(cfg)
    prepare_launcher(cfg, args.launcher)
    return cfg


def build_runner(cfg: Config, config: str) -> Runner:
    """Model and data set, and the checkpoint to start from held against the model.

    Raises:
        ConfigError: A part cannot be built as configured.
        CheckpointError: The checkpoint is of another model.
    """
    use_safe_loader()
    use_whole_files()
    try:
        if cfg.get('runner_type'):  # FlexibleRunner: the strategy builds the model later and loads what is to be loaded
            return RUNNERS.build(cfg)
        runner = Runner.from_cfg(cfg)
        runner.train_loop  # noqa: B018  (builds the data set)
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(f'{config}: {error}') from error
    start = cfg.get('load_from') or (find_latest_checkpoint(cfg.work_dir) if cfg.get('resume') else None)
    if start and '://' not in start:
        check_fit(bare_model(runner), start, partly=not cfg.get('resume'))
    return runner


def main(argv: list[str] | None = None) -> None:
    """Train; what the user can mend ends in one line and exit status 1."""
    args = parse_args(argv)
    try:
        cfg = build_config(args)
        build_runner(cfg, args.config).train()
    except MENDABLE as error:
        # Errors of loader processes come with their traceback and their class before the message.
        sys.exit('error: ' + re.sub(r'^[\w.]+Error: ', '', str(error).strip().splitlines()[-1]))
    except OSError as error:
        sys.exit(f'error: {error.filename or args.config}: {error.strerror or error}')


if __name__ == '__main__':
    main()
