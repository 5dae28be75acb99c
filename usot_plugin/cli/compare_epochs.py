"""Score the checkpoints of several epochs on a tuning set, print the table.

    usot epochs CONFIG WORK_DIR --epochs 10:30 --sequences ROOT --every 2 --out work_dirs/epochs
    usot epochs CONFIG WORK_DIR --epochs 10:30 --benchmark got10k_val --data-root DIR --out DIR2

The USOT release quotes the best of its epochs 10 to 30. A training keeps its last three
checkpoints; all of them with ``--cfg-options default_hooks.checkpoint.max_keep_ckpts=-1``. Results
of every epoch lie in OUT/results/epoch_N: the same command goes on where it stopped.
OUT/epochs.json has the table and what it was chosen on. A test split needs --allow-test-split, and
the file says so.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

import usot_plugin  # noqa: F401  (registers everything)
from usot_plugin.apis.inference import init_tracker
from usot_plugin.cli.preflight import check_data, check_inputs
from usot_plugin.datasets.benchmarks import AnnotationError
from usot_plugin.evaluation.results.result_files import ResultError
from usot_plugin.evaluation.tuning_set import TuningSet, add_data_arguments
from usot_plugin.structures.clip import ClipError
from usot_plugin.utils.atomic import write_text
from usot_plugin.utils.checkpoint import CheckpointError
from usot_plugin.utils.cli import FINE, PARTIAL, USER_ERROR, exit_status, note, tool_parser
from usot_plugin.utils.config import ConfigError, load_config
from usot_plugin.utils.packaged import packaged_folder

CONFIGS = packaged_folder('configs')
#: So many further metrics are shown beside the objective.
FURTHER_COLUMNS = 5


def epoch_range(text: str) -> tuple[int, int]:
    """``FIRST:LAST``, both included.

    Raises:
        argparse.ArgumentTypeError: It is something else.
    """
    match = re.fullmatch(r'([1-9][0-9]*):([1-9][0-9]*)', text)
    if match is None or int(match[1]) > int(match[2]):
        raise argparse.ArgumentTypeError(f'expected FIRST:LAST, such as 10:30, not {text!r}')
    return int(match[1]), int(match[2])


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    statuses = {
        FINE: 'all epochs are scored',
        PARTIAL: 'epochs without a checkpoint are named on stderr',
        USER_ERROR: 'wrong input',
    }
    parser = tool_parser(__doc__, statuses)
    parser.add_argument('config', help='config of the tracker')
    parser.add_argument(
        'work_dir', type=Path, metavar='WORK_DIR', help='folder of epoch_1.pth, epoch_2.pth ...'
    )
    parser.add_argument(
        '--epochs', type=epoch_range, required=True, metavar='FIRST:LAST', help='both included'
    )
    parser.add_argument(
        '--out', required=True, type=Path, metavar='DIR', help='folder of results and table'
    )
    parser.add_argument(
        '--weights',
        choices=['saved', 'ema', 'raw'],
        default='saved',
        help='which weights of the checkpoints',
    )
    add_data_arguments(parser)
    return parser.parse_args(argv)


def find_checkpoints(work_dir: Path, first: int, last: int) -> tuple[dict[int, Path], list[int]]:
    """Checkpoint of each epoch, and the epochs that have none.

    Raises:
        ConfigError: None of them has one.
    """
    files = {epoch: work_dir / f'epoch_{epoch}.pth' for epoch in range(first, last + 1)}
    found = {epoch: file for epoch, file in files.items() if file.is_file()}
    if not found:
        there = sorted(
            int(file.stem.removeprefix('epoch_'))
            for file in work_dir.glob('epoch_*.pth')
            if file.stem[6:].isdecimal()
        )
        raise ConfigError(
            f'{work_dir}: no checkpoint of epochs {first} to {last}; there are '
            f'{there or "none at all"}'
        )
    return found, [epoch for epoch in files if epoch not in found]


def format_table(rows: Mapping[int, Mapping[str, float]], objective: str) -> str:
    """A line for each epoch, the best one marked; the objective is the first column."""
    metrics = next(iter(rows.values()))
    names = [objective, *[name for name in metrics if name != objective][:FURTHER_COLUMNS]]
    best = max(rows, key=lambda epoch: rows[epoch][objective])
    lines = ['epoch  ' + '  '.join(f'{name:>14s}' for name in names)]
    for epoch, values in rows.items():
        lines.append(
            f'{epoch:5d}  '
            + '  '.join(f'{values[name]:14.4f}' for name in names)
            + ('  best' if epoch == best else '')
        )
    return '\n'.join(lines)


def run(args: argparse.Namespace) -> int:
    """Score, print, write; returns the exit status."""
    check_data(args)
    check_inputs(config=args.config, folder=args.work_dir, outputs=[args.out])
    cfg = load_config(args.config)
    checkpoints, missing = find_checkpoints(args.work_dir, *args.epochs)
    data = TuningSet(cfg, args, CONFIGS)
    if args.threads:
        torch.set_num_threads(args.threads)
    in_loop = bool((cfg.get('test_cfg') or {}).get('tracker'))
    options = dict(
        cfg.test_cfg.tracker if in_loop else (cfg.get('model') or {}).get('test_cfg') or {}
    )
    rows: dict[int, dict[str, float]] = {}
    for epoch, file in checkpoints.items():
        tracker = init_tracker(cfg, file, args.device, options, args.weights)
        metrics = data.measure(tracker, options, args.out / 'results' / f'epoch_{epoch}')
        rows[epoch] = {name: float(value) for name, value in metrics.items()}
        objective = data.objective_of(rows[epoch])
        note(f'epoch {epoch}: {objective} {rows[epoch][objective]:.4f}')
    write_text(
        args.out / 'epochs.json', json.dumps(_record(args, data, rows, objective), indent=1) + '\n'
    )
    print(format_table(rows, objective))
    if missing:
        print(f'no checkpoint of epochs {missing} in {args.work_dir}', file=sys.stderr)
    return PARTIAL if missing else FINE


def _record(
    args: argparse.Namespace,
    data: TuningSet,
    rows: Mapping[int, Mapping[str, float]],
    objective: str,
) -> dict[str, Any]:
    best = max(rows, key=lambda epoch: rows[epoch][objective])
    return {
        'best_epoch': best,
        'objective': objective,
        'checkpoint': str(args.work_dir / f'epoch_{best}.pth'),
        'epochs': rows,
        'tuned_on': data.tuned_on(),
        'config': args.config,
    }


def main(argv: list[str] | None = None) -> int:
    """Run the tool; returns its exit status."""
    args = parse_args(argv)
    mendable = (CheckpointError, AnnotationError, ClipError, ResultError)
    return exit_status(
        lambda: run(args),
        mendable,
        args.out,
        'interrupted; finished sequences stay, the same command goes on',
    )


if __name__ == '__main__':
    sys.exit(main())
