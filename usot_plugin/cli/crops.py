"""Store crops around the pseudo boxes of a table, so that training needs no video decoding.

    usot crops TABLE --out STORE --workers 8

The store is an LMDB database for ``PseudoBoxDataset(crop_store=...)``. With ``--frames`` all frames
of the clips are written as JPEG files instead, for ``PseudoBoxDataset(frame_root=...)``, which also
serves box sources that look at full frames. A clip is written whole or not at all; a second run
goes on where the first stopped.
"""

from __future__ import annotations

import argparse
import sys

from usot_plugin.cli.dry_run import add_dry_run, show_plan, table_line
from usot_plugin.cli.preflight import check_inputs
from usot_plugin.datasets.boxes.box_sources import DiscoveredBoxes
from usot_plugin.datasets.frames.crop_store import CropStoreError, StoreConfig
from usot_plugin.datasets.frames.store_building import (
    THERE,
    BuildReport,
    build_crop_store,
    extract_frames,
    tracks_by_clip,
)
from usot_plugin.discovery.table.format import TableError
from usot_plugin.utils.atomic import write_cause
from usot_plugin.utils.cli import FINE, PARTIAL, USER_ERROR, exit_status, tool_parser
from usot_plugin.utils.progress import ProgressLines
from usot_plugin.utils.worker_pool import TIMEOUT_S, WorkerStartError

STATUSES = {
    FINE: 'every clip was read',
    PARTIAL: 'some clips could not be read; each is named, the others are stored',
    USER_ERROR: 'wrong arguments, table or store, or the store cannot be written',
}


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = tool_parser(__doc__, STATUSES)
    parser.add_argument('table', help='pseudo-box table: folder of parts or .parquet file')
    parser.add_argument(
        '--out', required=True, metavar='STORE', help='folder of the database, or of the frames'
    )
    parser.add_argument(
        '--video-root',
        metavar='DIR',
        help='where the clips are now (default: where they were at discovery)',
    )
    parser.add_argument(
        '--workers',
        type=int,
        default=1,
        metavar='N',
        help='clips at once (0: in this process; default: 1)',
    )
    parser.add_argument(
        '--all-tracks', action='store_true', help='also the tracks that training does not draw'
    )
    parser.add_argument(
        '--frames', action='store_true', help='write full frames as JPEG files instead of crops'
    )
    parser.add_argument('--quality', type=int, default=95, help='JPEG quality (default: 95)')
    parser.add_argument(
        '--size', type=int, default=511, help='side of a crop in pixels (default: 511)'
    )
    parser.add_argument(
        '--min-quality',
        type=float,
        default=0.0,
        metavar='Q',
        help='only frames whose quality is above this (default: 0)',
    )
    parser.add_argument(
        '--step', type=int, default=1, metavar='N', help='only every N-th frame (default: 1)'
    )
    parser.add_argument(
        '--clip-timeout',
        type=float,
        default=TIMEOUT_S,
        metavar='SECONDS',
        help='give a clip up of which no frame comes for so long; 0: never (default: %(default)g)',
    )
    add_dry_run(parser)
    args = parser.parse_args(argv)
    if (
        args.workers < 0
        or not args.clip_timeout >= 0
        or args.step < 1
        or not 1 <= args.quality <= 100
        or args.size < 255
    ):
        parser.error(
            'needs --workers >= 0, --clip-timeout >= 0, --step >= 1, --quality in 1..100 and '
            '--size >= 255'
        )
    return args


def build(args: argparse.Namespace) -> BuildReport:
    """Run what the command line asks for."""
    source = DiscoveredBoxes(args.table, args.video_root)
    only_samplable = not args.all_tracks
    progress = ProgressLines(sum(1 for _ in tracks_by_clip(source, only_samplable)))

    def on_clip(clip: str, message: str) -> None:
        if message.startswith('failed') or args.verbose:
            progress.line(f'{clip}: {message}')
        if message == THERE:
            progress.skip()
        else:
            progress.advance()

    timeout_s = args.clip_timeout or None
    if args.frames:
        return extract_frames(
            source, args.out, args.workers, only_samplable, args.quality, on_clip, timeout_s
        )
    config = StoreConfig(size=args.size, quality=args.quality)
    return build_crop_store(
        source,
        args.out,
        config,
        args.workers,
        only_samplable,
        args.min_quality,
        args.step,
        on_clip,
        timeout_s,
    )


def show_store(args: argparse.Namespace) -> int:
    """What a run would do, for ``--dry-run``."""
    what = 'full frames' if args.frames else f'crops of {args.size} px'
    show_plan(
        reads=[table_line(args.table), *([args.video_root] if args.video_root else [])],
        builds=[f'{what}, JPEG quality {args.quality}, one frame in {args.step}'],
        writes=[args.out],
        device=f'cpu, {args.workers} processes',
    )
    return FINE


def run(args: argparse.Namespace) -> int:
    """Store, print the counts; returns the exit status."""
    check_inputs(table=args.table, folder=args.video_root, outputs=[args.out])
    if args.dry_run:
        return show_store(args)
    try:
        report = build(args)
    except OSError as error:
        cause = write_cause(error, error.filename or args.out)
        raise CropStoreError(
            f'{args.out}: cannot be written ({cause}); '
            'the finished clips are safe, the same command goes on from here'
        ) from error
    kind = 'frames' if args.frames else 'crops'
    print(
        f'{report.clips} clips, {report.images} {kind} written to {args.out}; '
        f'{report.skipped} were there, {len(report.failed)} failed'
    )
    return PARTIAL if report.failed else FINE


def main(argv: list[str] | None = None) -> int:
    """Run the tool; returns its exit status."""
    args = parse_args(argv)
    return exit_status(
        lambda: run(args),
        (TableError, CropStoreError, WorkerStartError),
        args.out,
        f'interrupted; finished clips are in {args.out}, the same command goes on from here',
    )


if __name__ == '__main__':
    sys.exit(main())
