"""Find moving objects in unlabeled videos and write them to a pseudo-box table.

    usot discover configs/discovery/default.py videos/ --out TABLE
    usot discover configs/discovery/default.py GOT-10k/ --layout got10k --out TABLE --shard 0/4
    usot discover configs/discovery/default.py videos/ --out TABLE --engine ray --ray-address auto

The table is a folder of Parquet parts, one per clip, that a stopped run goes on with, and
``<out>.parquet`` as soon as all clips are done. With ``--shard 0/4`` the same command runs with
1/4, 2/4 and 3/4 elsewhere.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

from usot_plugin.cli.dry_run import add_dry_run, show_plan
from usot_plugin.cli.preflight import check_inputs
from usot_plugin.datasets.frames.video_sources import LAYOUTS, VideoSourceError, find_clips
from usot_plugin.discovery.config import DiscoveryConfig
from usot_plugin.discovery.config_file import clip_timeout, load_discovery
from usot_plugin.discovery.many_clips.local_engine import WorkerStartError
from usot_plugin.discovery.many_clips.pipeline import (
    ENGINES,
    RunOptions,
    TableWriteError,
    clips_of_shard,
    discover_clips,
    parse_shard,
)
from usot_plugin.discovery.table.format import TableError, TableInfo
from usot_plugin.discovery.table.parts import PartFolder
from usot_plugin.utils.cli import FINE, PARTIAL, USER_ERROR, exit_status, tool_parser
from usot_plugin.utils.config import ConfigError, add_config_options
from usot_plugin.utils.optional import require
from usot_plugin.utils.worker_pool import TIMEOUT_S

STATUSES = {
    FINE: 'every clip was read (one in which nothing moves counts as read)',
    PARTIAL: 'some clips could not be read; each is named, the others are finished',
    USER_ERROR: 'wrong arguments, config or table, or the table cannot be written (disk full)',
}


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = tool_parser(__doc__, STATUSES)
    parser.add_argument('config', help='discovery config')
    parser.add_argument(
        'videos', nargs='+', help='video files, folders of frames, or folders of those at any depth'
    )
    parser.add_argument(
        '--out', required=True, metavar='TABLE', help='folder of the pseudo-box table'
    )
    parser.add_argument(
        '--workers',
        type=int,
        metavar='N',
        help='clips at once (default: one per CPU; 0: in this process)',
    )
    parser.add_argument(
        '--engine', choices=ENGINES, default='local', help='processes of this machine, or Ray'
    )
    parser.add_argument(
        '--ray-address',
        metavar='ADDRESS',
        help="a running cluster, e.g. 'auto' (default: Ray on this machine only)",
    )
    parser.add_argument(
        '--shard',
        default='0/1',
        metavar='I/N',
        help='only every N-th clip, from the I-th on (0-based)',
    )
    parser.add_argument(
        '--layout',
        default='auto',
        choices=['auto', *sorted(LAYOUTS)],
        help='where the clips lie (default: anywhere)',
    )
    parser.add_argument('--split', help='split of the layout (default: its training split)')
    add_config_options(parser, 'e.g. discovery.frames.eval_gap=1')
    parser.add_argument(
        '--clip-timeout',
        type=float,
        metavar='SECONDS',
        help='give a clip up of which no frame comes for so long; 0: never (default: '
        f'clip_timeout of the config, or {TIMEOUT_S:g})',
    )
    parser.add_argument(
        '--overwrite',
        action='store_true',
        help='make the clips anew that the table has already, whatever its config',
    )
    parser.add_argument(
        '--no-merge', action='store_true', help='leave the table as a folder of parts'
    )
    add_dry_run(parser)
    args = parser.parse_args(argv)
    if args.workers is not None and args.workers < 0:
        parser.error(f'--workers must be 0 or more, not {args.workers}')
    if args.ray_address is not None and args.engine != 'ray':
        parser.error('--ray-address needs --engine ray')
    return args


def show_discovery(
    args: argparse.Namespace,
    clips: Mapping[str, Path],
    config: DiscoveryConfig,
    options: RunOptions,
) -> int:
    """What a run would do, for ``--dry-run``; no clip is opened."""
    mine = clips_of_shard(clips, options.shard)
    parts = PartFolder(args.out, TableInfo(config.to_dict()))
    finished = {} if args.overwrite else parts.look(mine)
    show_plan(
        config=args.config,
        options=args.cfg_options,
        reads=[f'{len(mine)} of {len(clips)} clips, {len(finished)} of them are in the table'],
        builds=[f'flow {config.flow["type"]}, engine {options.engine}'],
        writes=[args.out, *([parts.merged_path] if options.merge else [])],
        device='cpu' if options.workers is None else f'cpu, {options.workers} processes',
    )
    return FINE


def run(args: argparse.Namespace) -> int:
    """Discover, print the counts; returns the exit status."""
    if args.engine == 'ray':
        require('ray', '--engine ray')
    check_inputs(config=args.config, input=args.videos, outputs=[args.out])
    config, imports = load_discovery(args.config, args.cfg_options)
    clips = find_clips(args.videos, args.layout, args.split)
    options = RunOptions(
        workers=args.workers,
        engine=args.engine,
        ray_address=args.ray_address,
        shard=parse_shard(args.shard),
        overwrite=args.overwrite,
        merge=not args.no_merge,
        imports=imports,
        quiet=args.quiet,
        clip_timeout_s=clip_timeout(args.config, args.cfg_options, args.clip_timeout),
    )
    if args.dry_run:
        return show_discovery(args, clips, config, options)
    tally = discover_clips(clips, config, args.out, options)
    print(tally.summary())
    return PARTIAL if tally.failed else FINE


def main(argv: list[str] | None = None) -> int:
    """Run the tool; returns its exit status."""
    args = parse_args(argv)
    return exit_status(
        lambda: run(args),
        (ConfigError, VideoSourceError, TableError, TableWriteError, WorkerStartError),
        args.out,
        f'interrupted; finished clips are in {args.out}, the same command goes on from here',
    )


if __name__ == '__main__':
    sys.exit(main())
