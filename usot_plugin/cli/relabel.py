"""Label the clips of a pseudo-box table again with a trained tracker.

    usot relabel CONFIG CHECKPOINT TABLE --out NEWTABLE

From the best frames of each kept trajectory the tracker goes forward and backward in time, and
back to where it began. Where it agrees with itself the frame gets its box; the rest has none.
NEWTABLE is a table like TABLE (training, crop stores and galleries read it), and says in its
metadata which model made it. CHECKPOINT is a file, 'pretrained' for the weights that ship with the
package under the config's name, or 'none' with a tracker that needs no weights. A stopped run goes
on; a finished one is left as it is.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from usot_plugin.apis.inference import init_tracker
from usot_plugin.apis.packed_weights import pretrained_path
from usot_plugin.apis.training_record import file_hash
from usot_plugin.cli.dry_run import add_dry_run, show_plan, table_line
from usot_plugin.cli.preflight import check_inputs
from usot_plugin.discovery.many_clips.pipeline import TableWriteError
from usot_plugin.discovery.table.format import TableError
from usot_plugin.self_training.relabel import relabel_table
from usot_plugin.self_training.relabelling import RelabelConfig
from usot_plugin.tracking import Tracker, needs_model, tracker_label
from usot_plugin.utils.checkpoint import CheckpointError
from usot_plugin.utils.cli import FINE, PARTIAL, USER_ERROR, exit_status, tool_parser
from usot_plugin.utils.config import ConfigError, add_config_options, load_config
from usot_plugin.utils.folder_lock import folder_lock
from usot_plugin.utils.worker_pool import TIMEOUT_S, WorkerStartError

PRETRAINED, NO_CHECKPOINT = 'pretrained', 'none'


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line; every number of re-labelling is an option."""
    statuses = {
        FINE: 'all clips done',
        PARTIAL: 'some clips could not be read',
        USER_ERROR: 'wrong arguments, config, weights or table',
    }
    parser = tool_parser(__doc__, statuses)
    parser.add_argument('config', help='config with model and tracker')
    parser.add_argument(
        'checkpoint',
        help=f"weights; '{PRETRAINED}' for those of the package, '{NO_CHECKPOINT}' for a tracker "
        'without any',
    )
    parser.add_argument('table', help='pseudo-box table: folder of parts or .parquet file')
    parser.add_argument('--out', required=True, metavar='NEWTABLE', help='folder of the new table')
    parser.add_argument(
        '--workers',
        type=int,
        default=0,
        metavar='N',
        help='clips at once, on the CPU (default: 0, in this process)',
    )
    parser.add_argument(
        '--tracker', help="replaces the config's tracker: StandStill, my.py:function, ..."
    )
    parser.add_argument(
        '--weights',
        choices=['saved', 'ema', 'raw'],
        default='saved',
        help='which weights of the checkpoint',
    )
    parser.add_argument(
        '--device',
        help='cpu, cuda:0, ... (default: the GPU if there is one; the CPU with --workers)',
    )
    parser.add_argument(
        '--video-root',
        metavar='DIR',
        help='where the clips are now (default: where they were at discovery)',
    )
    parser.add_argument(
        '--overwrite', action='store_true', help='make the clips anew that NEWTABLE has already'
    )
    add_config_options(parser)
    parser.add_argument(
        '--clip-timeout',
        type=float,
        default=TIMEOUT_S,
        metavar='SECONDS',
        help='with workers: give a clip up of which no frame comes for so long; 0: never '
        '(default: %(default)g)',
    )
    for one in fields(RelabelConfig):
        parser.add_argument(
            f'--{one.name.replace("_", "-")}',
            type=type(one.default),
            default=one.default,
            metavar='X',
            help=f'(default: {one.default})',
        )
    add_dry_run(parser)
    args = parser.parse_args(argv)
    if args.workers < 0:
        parser.error(f'--workers must be 0 or more, not {args.workers}')
    if not args.clip_timeout >= 0:
        parser.error(f'--clip-timeout must be 0 or more, not {args.clip_timeout}')
    return args


def build(args: argparse.Namespace) -> tuple[Tracker, dict[str, Any]]:
    """The tracker, and what it is for the metadata.

    Raises:
        ConfigError: No tracker in the config.
        CheckpointError: The weights cannot be read or do not fit.
    """
    cfg = load_config(args.config, args.cfg_options)
    options = dict(type=args.tracker) if args.tracker else (cfg.get('model') or {}).get('test_cfg')
    if not options:
        raise ConfigError(
            f'{args.config}: no tracker: model.test_cfg has no type, and --tracker was not given'
        )
    about: dict[str, Any] = {'config': Path(args.config).name, 'tracker': tracker_label(options)}
    if not needs_model(options):
        return init_tracker(cfg, None, tracker=options), {'model': about['tracker'], **about}
    if args.checkpoint == NO_CHECKPOINT:
        raise ConfigError(
            f'{about["tracker"]} needs weights: give CHECKPOINT, not {NO_CHECKPOINT!r}'
        )
    # Several weights ship: those of the config's own name.
    path = (
        pretrained_path(Path(args.config).stem)
        if args.checkpoint == PRETRAINED
        else Path(args.checkpoint)
    )
    tracker = init_tracker(
        cfg,
        path,
        args.device or ('cpu' if args.workers else None),
        options if args.tracker else None,
        args.weights,
    )
    about.update(checkpoint=path.name, checkpoint_sha256=file_hash(path), weights=args.weights)
    about['options'] = {key: str(value) for key, value in (args.cfg_options or {}).items()}
    return tracker, {'model': f'{about["config"]} with {path.name}', **about}


def show_relabelling(args: argparse.Namespace, tracker: Tracker, model: dict[str, Any]) -> int:
    """What a run would do, for ``--dry-run``."""
    network = getattr(tracker, 'model', None)
    show_plan(
        config=args.config,
        options=args.cfg_options,
        reads=[table_line(args.table)],
        builds=[f'{type(tracker).__name__}: {model["model"]}'],
        writes=[args.out, f'{args.out.rstrip("/")}.parquet'],
        device=None if network is None else next(network.parameters()).device,
    )
    return FINE


def run(args: argparse.Namespace) -> int:
    """Label again, print the counts; returns the exit status."""
    known = args.checkpoint in (PRETRAINED, NO_CHECKPOINT) or bool(args.tracker)
    check_inputs(
        config=args.config,
        checkpoint=None if known else args.checkpoint,
        table=args.table,
        folder=args.video_root,
        outputs=[args.out],
    )
    numbers = RelabelConfig(**{one.name: getattr(args, one.name) for one in fields(RelabelConfig)})
    tracker, model = build(args)
    if args.dry_run:
        return show_relabelling(args, tracker, model)
    seconds = args.clip_timeout or None
    with folder_lock(args.out):
        tally = relabel_table(
            args.table,
            args.out,
            tracker,
            model,
            numbers,
            args.workers,
            args.video_root,
            args.overwrite,
            args.quiet,
            seconds,
        )
    print(tally.summary())
    return PARTIAL if tally.failed else FINE


def main(argv: Sequence[str] | None = None) -> int:
    """Run; returns the exit status."""
    args = parse_args(argv)
    mendable = (CheckpointError, TableError, TableWriteError, WorkerStartError)
    return exit_status(
        lambda: run(args),
        mendable,
        args.out,
        'interrupted; finished clips stay, the same command goes on',
    )


if __name__ == '__main__':
    sys.exit(main())
