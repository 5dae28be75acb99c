"""Train a tracker.

    usot train configs/quick/usot_quick.py --cfg-options train_dataloader.dataset.table=TABLE
    usot train configs/quick/usot_quick.py --resume

The terminal shows the losses; the work dir gets checkpoints, the config and the whole log.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from pathlib import Path

from mmengine.config import Config
from mmengine.device import get_device
from mmengine.dist import is_main_process

import usot_plugin  # noqa: F401  (registers everything)
from usot_plugin.cli.dry_run import add_dry_run, data_lines, show_plan
from usot_plugin.cli.preflight import InputsError, check_config
from usot_plugin.engine.distributed import (
    enable_amp,
    end_process_group,
    prepare_launcher,
    set_tf32,
    work_dir_lock,
)
from usot_plugin.engine.training_loops import use_resumable_loop
from usot_plugin.engine.training_run import (
    MENDABLE,
    build_runner,
    check_trainable,
    latest_checkpoint,
    train,
)
from usot_plugin.utils.cli import add_launcher_options, exit_status, tool_parser
from usot_plugin.utils.config import ConfigError, add_config_options, choose_work_dir, load_config


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line of OpenMMLab's training tools."""
    parser = tool_parser(__doc__)
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
    add_config_options(parser, 'override keys of the config, e.g. randomness.seed=1')
    add_launcher_options(parser)
    add_dry_run(parser)
    args = parser.parse_args(argv)
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    return args


def loaders_of(cfg: Config) -> list[str]:
    """The data loaders that a training builds."""
    return ['train_dataloader', *(['val_dataloader'] if cfg.get('val_cfg') else [])]


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
    check_config(cfg, loaders_of(cfg), [cfg.work_dir])
    use_resumable_loop(cfg)
    prepare_launcher(cfg, args.launcher)
    return cfg


def show_training(cfg: Config, args: argparse.Namespace) -> None:
    """What a run would do, for ``--dry-run``."""
    check_trainable(cfg, args.config)
    resume = bool(cfg.get('resume'))
    start = cfg.get('load_from') or (latest_checkpoint(cfg.work_dir) if resume else None)
    loader, loop = cfg.train_dataloader, dict(cfg.train_cfg)
    length = [f'{key} {loop[key]}' for key in ('max_epochs', 'max_iters') if key in loop]
    samples = loader.dataset.get('samples_per_epoch')
    tracker = (cfg.model.get('test_cfg') or {}).get('type', 'no tracker')
    show_plan(
        config=args.config,
        options=args.cfg_options,
        reads=[
            *data_lines(cfg, loaders_of(cfg)),
            *([f'{start} ({"goes on" if resume else "starts"} from it)'] if start else []),
        ],
        builds=[
            f'{cfg.model.type} with {tracker}',
            f'{loader.dataset.get("type")}: batches of {loader.get("batch_size")}'
            + (f', {samples} samples an epoch' if samples else ''),
            f'{cfg.optim_wrapper.get("type", "OptimWrapper")}, {", ".join(length)}',
        ],
        writes=[cfg.work_dir],
        device=get_device(),
    )


def main(argv: list[str] | None = None) -> int:
    """Train; returns the exit status."""
    args = parse_args(argv)
    given = list(sys.argv[1:] if argv is None else argv)
    work_dir: list[str] = []

    def run() -> None:
        cfg = build_config(args)
        if args.dry_run:
            return show_training(cfg, args)
        with work_dir_lock(cfg.work_dir, args.launcher):
            runner = build_runner(cfg, args.config)
            log = Path(runner.log_dir, f'{runner.timestamp}.log')
            runner.logger.info(f'{args.config} trains in {cfg.work_dir}; the whole log: {log}')
            work_dir.append(cfg.work_dir)  # from here on there may be something to go on with
            train(runner)
            last = latest_checkpoint(cfg.work_dir) if is_main_process() else None
            if last:
                print(f'trained: {last}')
            end_process_group()

    def going_on() -> str:
        kept = latest_checkpoint(work_dir[0]) if work_dir else None
        return resume_hint(given, kept, args.launcher != 'none') if work_dir else ''

    return exit_status(run, (*MENDABLE, InputsError), args.config, going_on=going_on)


def resume_hint(given: list[str], kept: Path | None, launched: bool) -> str:
    """What a training that was stopped has left, and the command that goes on with it.

    Args:
        given: The arguments of this run.
        kept: The latest checkpoint.
        launched: A launcher started this process with arguments of its own.
    """
    if kept is None:
        return 'no checkpoint was saved yet, the same command begins anew'
    if launched:
        return f'{kept} is kept, the same command with --resume {shlex.quote(str(kept))} goes on'
    rest = list(given)
    while '--resume' in rest:
        at = rest.index('--resume')
        value = rest[at + 1 : at + 2]
        del rest[at : at + 2 if value and not value[0].startswith('-') else at + 1]
    rest = [word for word in rest if not word.startswith('--resume=')]
    program = ['usot', 'train'] if sys.argv[0] == 'usot train' else ['python', 'tools/train.py']
    command = shlex.join([*program, *rest, '--resume', str(kept)])
    return f'{kept} is kept, this goes on: {command}'


if __name__ == '__main__':
    sys.exit(main())
