"""Write the pseudo boxes of a table in the annotation format of another toolbox.

    usot export-boxes TABLE --format got10k --out work_dirs/as_got10k

formats:
  mmtrack     one JSON file (CocoVID), for MMTracking's SOTImageNetVIDDataset
  got10k      a folder as GOT-10k's training part, with MMTracking's list of it; frames are linked
  or encoded coco-video  one JSON file in the form of TAO, with what YouTube-VIS lists of a video
  usot-json   a folder with the USOT release's train.json; --crops adds its crop511

The output is written whole or not at all. One object per clip, unless --multi-object.
"""

from __future__ import annotations

import argparse
import sys

from usot_plugin.datasets.exporting import EXPORTERS, export_table
from usot_plugin.datasets.exporting.selection import FRAME_CHOICES
from usot_plugin.discovery.table.format import TableError
from usot_plugin.utils.cli import FINE, PARTIAL, USER_ERROR, exit_status, tool_parser


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    statuses = {
        FINE: 'all that was asked for is exported',
        PARTIAL: 'clips that could not be read are named on stderr, the others are exported',
        USER_ERROR: 'nothing was written',
    }
    parser = tool_parser(__doc__, statuses)
    parser.add_argument('table', help='pseudo-box table: folder of parts or .parquet file')
    parser.add_argument('--format', required=True, choices=sorted(EXPORTERS), help='see above')
    parser.add_argument('--out', required=True, metavar='PATH', help='file or folder to write')
    parser.add_argument(
        '--quality',
        type=float,
        metavar='Q',
        help='tracks with Q_v - corner share / 3 of at least this (default: those good for '
        'training)',
    )
    parser.add_argument(
        '--frames',
        choices=FRAME_CHOICES,
        default='all',
        help="'picked': only boxes that were seen, none that was filled in",
    )
    parser.add_argument(
        '--multi-object', action='store_true', help='all objects of a clip, not only the best'
    )
    parser.add_argument(
        '--video-root',
        metavar='DIR',
        help='where the clips are now (default: where they were at discovery)',
    )
    parser.add_argument(
        '--crops',
        action='store_true',
        help='usot-json: also cut the 511-px crops that the release trains on',
    )
    parser.add_argument(
        '--overwrite', action='store_true', help='replace what an earlier export has written'
    )
    return parser.parse_args(argv)


def run(args: argparse.Namespace) -> int:
    """Export and count."""

    def complain(clip: str, reason: str) -> None:
        print(f'left out {clip}: {reason}', file=sys.stderr)

    report = export_table(
        args.table,
        args.out,
        args.format,
        args.quality,
        args.frames,
        args.multi_object,
        args.video_root,
        args.crops,
        args.overwrite,
        complain,
    )
    print(
        f'{report.clips} clips, {report.tracks} tracks, {report.boxes} boxes -> {args.out} '
        f'({args.format})'
    )
    print(
        f'not exported: {report.left_out} rows of the table; {len(report.failed)} clips could '
        'not be read'
    )
    return PARTIAL if report.failed else FINE


def main(argv: list[str] | None = None) -> int:
    """Run the tool; returns its exit status."""
    args = parse_args(argv)
    return exit_status(lambda: run(args), (TableError,), args.out)


if __name__ == '__main__':
    sys.exit(main())
