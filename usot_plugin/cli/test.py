"""Track a benchmark and score the result.

    usot test CONFIG CHECKPOINT --sequences SEQUENCES
    usot test CONFIG CHECKPOINT --benchmark otb100 --data-root data/OTB100 --out RESULTS

The data are those of the config, of ``--benchmark NAME`` (its files below ``--data-root DIR``),
or of a folder ``--sequences ROOT``. Result files go to ``OUT/<tracker>/``; a second run skips the
finished sequences. The table, ``report.json``, ``report.md`` and the plots are made from the files
(``--score-only`` does nothing else). The terminal shows the table; the whole log lies in the work
dir.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.dist import is_main_process
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

import usot_plugin  # registers everything
from usot_plugin.apis.inference import RANDOM_WEIGHTS, usable_device
from usot_plugin.cli.dry_run import add_dry_run, data_lines, show_plan
from usot_plugin.cli.preflight import check_config, check_inputs
from usot_plugin.datasets.benchmarks import AnnotationError
from usot_plugin.engine.distributed import (
    PATIENCE_S,
    LaunchError,
    end_process_group,
    prepare_launcher,
)
from usot_plugin.evaluation.reports.comparison import has_scores, write_plots
from usot_plugin.evaluation.results.result_files import ResultError
from usot_plugin.evaluation.running.run_config import (
    benchmark_file,
    point_data,
    prepare_metrics,
    use_benchmark,
)
from usot_plugin.registry import DATASETS
from usot_plugin.structures.clip import ClipError
from usot_plugin.tracking import needs_model, tracker_label
from usot_plugin.utils.checkpoint import CheckpointError, load_weights, use_safe_loader
from usot_plugin.utils.cli import add_launcher_options, exit_status, tool_parser
from usot_plugin.utils.config import ConfigError, add_config_options, choose_work_dir, load_config
from usot_plugin.utils.host import drop_host_notices
from usot_plugin.utils.packaged import packaged_folder
from usot_plugin.utils.worker_pool import WorkerLostError, WorkerStartError

CONFIGS = packaged_folder('configs')


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line of OpenMMLab's testing tools, and what tracking adds."""
    parser = tool_parser(__doc__)
    parser.add_argument('config', help='config file')
    parser.add_argument(
        'checkpoint',
        nargs='?',
        help=f"weights; '{RANDOM_WEIGHTS}' for random ones; not needed with --score-only",
    )
    parser.add_argument(
        '--work-dir', help='folder for logs (default: work_dirs/<name of the config>)'
    )
    parser.add_argument(
        '--out', metavar='DIR', help='folder for results and report (default: <work dir>/results)'
    )
    parser.add_argument(
        '--sequences',
        metavar='ROOT',
        help="folder of <sequence>/{img/, groundtruth.txt}; replaces the config's test data",
    )
    parser.add_argument(
        '--benchmark',
        metavar='NAME',
        help='data, protocol and metrics of configs/_base_/benchmarks/NAME.py',
    )
    parser.add_argument(
        '--data-root',
        metavar='DIR',
        help="folder of the benchmark, or of the config's own test data",
    )
    parser.add_argument('--only', nargs='+', metavar='NAME', help='track these sequences only')
    parser.add_argument(
        '--tracker', help="replaces the config's tracker: StandStill, my.py:function, ..."
    )
    parser.add_argument(
        '--name', help='folder name of the results (default: the class name of the tracker)'
    )
    parser.add_argument(
        '--convention',
        help='how absent frames and the like are counted: got10k, pysot, otb_matlab, lasot',
    )
    parser.add_argument(
        '--weights',
        choices=['saved', 'ema', 'raw'],
        default='saved',
        help='which weights of the checkpoint',
    )
    parser.add_argument(
        '--workers',
        type=int,
        help='processes that track side by side (they share the cores: speeds are lower)',
    )
    parser.add_argument(
        '--batch-sequences',
        type=int,
        metavar='B',
        help='sequences that are tracked as one batch, with the same boxes',
    )
    parser.add_argument(
        '--threads', type=int, help='CPU threads of PyTorch in each tracking process'
    )
    parser.add_argument('--device', help='cpu, cuda:0, ... (default: the GPU if there is one)')
    parser.add_argument(
        '--score-only', action='store_true', help='score the results that are there, track nothing'
    )
    parser.add_argument(
        '--overwrite', action='store_true', help='throw away results that are there'
    )
    add_config_options(parser)
    add_launcher_options(parser)
    add_dry_run(parser)
    args = parser.parse_intermixed_args(argv)  # CHECKPOINT may come after options
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    return args


def build_config(args: argparse.Namespace) -> Config:
    """The config of the run, command line applied.

    Raises:
        ConfigError: The config is wrong, or something is missing on the command line.
    """
    cfg = load_config(args.config, args.cfg_options)
    choose_work_dir(cfg, args.config, args.work_dir)
    if args.benchmark:
        use_benchmark(cfg, benchmark_file(args.benchmark, CONFIGS))
    point_data(cfg, args.sequences, args.data_root, args.only)
    loop = dict(cfg.get('test_cfg') or {})
    loop.setdefault('type', 'SOTTestLoop')
    loop['out_dir'] = args.out or loop.get('out_dir') or str(Path(cfg.work_dir, 'results'))
    if args.tracker:
        options = dict(loop.get('tracker') or {})
        loop['tracker'] = {
            **(options if options.get('type', args.tracker) == args.tracker else {}),
            'type': args.tracker,
        }
    tracker = loop.get('tracker') or (cfg.get('model') or {}).get('test_cfg')
    named = args.name or loop.get('tracker_name')
    # Files of a folder need no tracker.
    if not tracker and not (named and (args.score_only or loop.get('score_only'))):
        raise ConfigError(
            f'{args.config}: no tracker: model.test_cfg has no type, and --tracker was not given'
        )
    loop['tracker'] = tracker
    loop['tracker_name'] = named or tracker_label(tracker or {})
    given = {
        name: getattr(args, name)
        for name in ('workers', 'threads', 'batch_sequences', 'score_only', 'overwrite')
    }
    loop.update(
        {name: value for name, value in given.items() if value is not None and value is not False}
    )
    cfg.test_cfg = loop
    set_model(cfg, args, loop)
    prepare_metrics(
        cfg, Path(loop['out_dir'], loop['tracker_name']), about_run(args), args.convention
    )
    cfg.resume = False
    prepare_launcher(cfg, args.launcher, PATIENCE_S)
    return cfg


def set_model(cfg: Config, args: argparse.Namespace, loop: dict[str, Any]) -> None:
    """Settle which weights are used; a tracker without a network, or scoring alone, builds none."""
    args.checkpoint = args.checkpoint or cfg.get('load_from')
    cfg.load_from = None  # loaded by load_weights, which refuses what does not fit
    if loop.get('score_only') or not needs_model(loop['tracker']):
        cfg.model = dict(type='NoNetwork')
        cfg.pop('model_wrapper_cfg', None)
        args.checkpoint = RANDOM_WEIGHTS
    elif args.checkpoint is None:
        raise ConfigError(
            f'CHECKPOINT is missing: {loop["tracker"]["type"]} needs weights (give '
            f"'{RANDOM_WEIGHTS}' for random ones)"
        )


def about_run(args: argparse.Namespace) -> dict[str, Any]:
    """Lines for the report that make it repeatable."""
    return {
        'config': args.config,
        'checkpoint': args.checkpoint,
        'date': time.strftime('%Y-%m-%d'),
        'software': f'usot_plugin {usot_plugin.__version__}, torch {torch.__version__}',
        'hardware': torch.cuda.get_device_name()
        if get_device() == 'cuda'
        else f'CPU, {os.cpu_count()} cores',
    }


def check_run(cfg: Config, args: argparse.Namespace) -> None:
    """Refuse what is not here before the host builds anything.

    Raises:
        ValueError: Data, weights, a folder to write to or the device is missing.
    """
    if args.checkpoint != RANDOM_WEIGHTS:
        check_inputs(checkpoint=args.checkpoint)
    check_config(cfg, ['test_dataloader'], [cfg.test_cfg.out_dir, cfg.work_dir])
    if args.device:
        usable_device(args.device)


def show_test(cfg: Config, args: argparse.Namespace) -> None:
    """What a run would do, for ``--dry-run``; the data set is opened, no frame is decoded."""
    sequences = DATASETS.build(cfg.test_dataloader.dataset)
    results = Path(cfg.test_cfg.out_dir, cfg.test_cfg.tracker_name)
    weights = 'random weights' if args.checkpoint == RANDOM_WEIGHTS else args.checkpoint
    protocol = cfg.test_cfg.get('protocol') or {'type': 'OPE'}
    what = 'scores alone' if cfg.test_cfg.get('score_only') else cfg.test_cfg.tracker['type']
    show_plan(
        config=args.config,
        options=args.cfg_options,
        reads=[
            *data_lines(cfg, ['test_dataloader']),
            f'{len(sequences)} sequences of {type(sequences).__name__}',
        ],
        builds=[
            f'{cfg.model.type} with {weights}',
            f'{what} under the protocol {protocol["type"]}',
            *(f'metric {metric["type"]}' for metric in cfg.test_evaluator),
        ],
        writes=[results, cfg.work_dir],
        device=args.device or get_device(),
    )


def run(args: argparse.Namespace) -> None:
    """Track, score, report."""
    cfg = build_config(args)
    check_run(cfg, args)
    if args.dry_run:
        return show_test(cfg, args)
    use_safe_loader()
    runner = Runner.from_cfg(cfg)
    drop_host_notices(runner.logger)
    model = runner.model.module if is_model_wrapper(runner.model) else runner.model
    if args.checkpoint == RANDOM_WEIGHTS:
        if not cfg.test_cfg.get('score_only') and needs_model(cfg.test_cfg.tracker):
            runner.logger.warning('no checkpoint: the weights of the tracker are random')
    else:
        load_weights(model, args.checkpoint, args.weights)
    if args.device:
        model.to(usable_device(args.device))
    log = os.path.join(runner.log_dir, f'{runner.timestamp}.log')
    runner.logger.info(f'{cfg.test_cfg.tracker_name} of {args.config}; the whole log: {log}')
    runner.test()
    folder = Path(cfg.test_cfg.out_dir, cfg.test_cfg.tracker_name)
    if is_main_process() and has_scores(folder):
        for path in write_plots(folder):
            print(f'wrote {path}')
    end_process_group()


def main(argv: list[str] | None = None) -> int:
    """Run; returns the exit status."""
    args = parse_args(argv)
    mendable = (
        CheckpointError,
        AnnotationError,
        ClipError,
        ResultError,
        LaunchError,
        WorkerLostError,
        WorkerStartError,
    )
    return exit_status(
        lambda: run(args),
        mendable,
        args.out,
        'interrupted; finished sequences stay, the same command goes on',
    )


if __name__ == '__main__':
    sys.exit(main())
