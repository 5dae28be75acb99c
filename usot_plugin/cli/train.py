"""Train a model: ``python tools/train.py CONFIG [--work-dir DIR] [--resume [CHECKPOINT]] [--amp]
...``."""

from __future__ import annotations

import argparse
import os
import re
import sys

from mmengine.config import Config

import usot_plugin  # noqa: F401  (registers everything)
from usot_plugin.cli.preflight import InputsError, check_config
from usot_plugin.engine.distributed import enable_amp, end_process_group, prepare_launcher, set_tf32
from usot_plugin.engine.training_loops import use_resumable_loop
from usot_plugin.engine.training_run import MENDABLE, build_runner
from usot_plugin.utils.cli import FINE, USER_ERROR, OneLineParser
from usot_plugin.utils.config import ConfigError, ConfigOptions, choose_work_dir, load_config


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line of OpenMMLab's training tools."""
    parser = OneLineParser(description='Train a tracker.')
    parser.add_argument('config', help='config file')
    parser.add_argument(
        '--work-dir',
        help='folder for logs and checkpoints (default: work_dirs/<name of the config>)',
    )
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        metavar='CHECKPOINT',
        help='go on from a checkpoint; without a path, from the latest in the work dir',
    )
    parser.add_argument(
        '--amp', action='store_true', help='mixed precision: float16 on CUDA, bfloat16 elsewhere'
    )
    parser.add_argument(
        '--tf32',
        choices=['on', 'off'],
        help='products in float32 on the tensor cores of a GPU (default: convolutions only)',
    )
    parser.add_argument(
        '--auto-scale-lr',
        action='store_true',
        help='scale the learning rate with the batch size (auto_scale_lr of the config)',
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=ConfigOptions,
        metavar='KEY=VALUE',
        help='override keys of the config, e.g. randomness.seed=1',
    )
    parser.add_argument(
        '--launcher',
        choices=['none', 'pytorch', 'slurm'],
        default='none',
        help='how the processes were started',
    )
    parser.add_argument(
        '--local-rank', '--local_rank', type=int, default=0, help='set by older launchers'
    )
    args = parser.parse_args(argv)
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    return args


def build_config(args: argparse.Namespace) -> Config:
    """The config of the run, command line applied.

    Raises:
        ConfigError: The config, or an option for it, is wrong.
    """
    cfg = load_config(args.config, args.cfg_options)
    if cfg.get('discrimination'):  # its last stage alone has no table to learn from
        raise ConfigError(
            f'{args.config}: trains in three stages: python tools/train_pul.py {args.config}'
        )
    choose_work_dir(cfg, args.config, args.work_dir)
    if args.amp:
        enable_amp(cfg)
    if args.tf32:
        set_tf32(cfg, args.tf32 == 'on')
    if args.auto_scale_lr:
        if 'base_batch_size' not in cfg.get('auto_scale_lr', {}):
            raise ConfigError(
                f'{args.config}: --auto-scale-lr needs auto_scale_lr = dict(base_batch_size=...) '
                'in the config'
            )
        cfg.auto_scale_lr.enable = True
    if args.resume is not None:
        cfg.resume = True
        if args.resume != 'auto':
            cfg.load_from = args.resume
    loaders = ['train_dataloader', *(['val_dataloader'] if cfg.get('val_cfg') else [])]
    check_config(cfg, loaders, [cfg.work_dir])
    use_resumable_loop(cfg)
    prepare_launcher(cfg, args.launcher)
    return cfg


def main(argv: list[str] | None = None) -> int:
    """Train; returns the exit status. What the user can mend ends in one line on stderr."""
    args = parse_args(argv)
    try:
        cfg = build_config(args)
        build_runner(cfg, args.config).train()
        end_process_group()
    except (*MENDABLE, InputsError) as error:
        # Errors of loader processes come with their traceback and their class before the message.
        message = re.sub(r'^[\w.]+Error: ', '', str(error).strip().splitlines()[-1])
    except OSError as error:
        message = f'{error.filename or args.config}: {error.strerror or error}'
    else:
        return FINE
    print(f'error: {message}', file=sys.stderr)
    return USER_ERROR


if __name__ == '__main__':
    sys.exit(main())
