"""Look at a pseudo-box table: a contact sheet per clip and one HTML gallery of all of them.

A sheet shows frames with their boxes (picked or interpolated), flow, distance maps with candidates,
the chosen path, and the quality curve.

    usot browse TABLE --out work_dirs/browse
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from io import BytesIO
from itertools import groupby
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from usot_plugin.discovery.config import DiscoveryConfig
from usot_plugin.discovery.many_clips.local_engine import prepare_worker
from usot_plugin.discovery.table.format import KEPT, TableError, part_name
from usot_plugin.discovery.table.reading import PseudoBoxRow, PseudoBoxTable, read_table
from usot_plugin.structures import ClipError, open_clip
from usot_plugin.utils.atomic import write_bytes
from usot_plugin.utils.cli import FINE, PARTIAL, USER_ERROR, exit_status, tool_parser
from usot_plugin.utils.progress import ProgressLines, counted
from usot_plugin.visualization.gallery import Card, gallery_html
from usot_plugin.visualization.pseudo_box_sheet import STATUS_COLORS, draw_sheet, legend_entries

JPEG_QUALITY = 82


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    statuses = {
        FINE: 'all drawn',
        PARTIAL: 'some clips could not be read and have no picture',
        USER_ERROR: 'wrong arguments or table',
    }
    parser = tool_parser(__doc__, statuses)
    parser.add_argument('table', help='folder of parts or .parquet file')
    parser.add_argument(
        '--out', required=True, metavar='DIR', help='folder for index.html and sheets/*.png'
    )
    parser.add_argument(
        '--videos', metavar='ROOT', help='folder of the clips, if they moved since discovery'
    )
    parser.add_argument(
        '--clips', nargs='+', metavar='PATTERN', help="only clips whose name fits, e.g. 'dog*'"
    )
    parser.add_argument(
        '--status', nargs='+', choices=list(STATUS_COLORS), help='only clips of this status'
    )
    parser.add_argument(
        '--limit', type=int, metavar='N', help='only N clips, evenly spread over the quality'
    )
    parser.add_argument(
        '--frames', type=int, default=6, metavar='N', help='frames on a sheet (default: 6)'
    )
    parser.add_argument(
        '--no-maps',
        action='store_true',
        help='leave out flow, distance maps and candidates: no flow is computed again',
    )
    parser.add_argument(
        '--import',
        nargs='+',
        default=[],
        dest='imports',
        metavar='MODULE',
        help='modules that register a flow of your own',
    )
    args = parser.parse_args(argv)
    for name in ('limit', 'frames'):
        if getattr(args, name) is not None and getattr(args, name) < 1:
            parser.error(f'--{name} must be at least 1, not {getattr(args, name)}')
    return args


def rows_by_clip(table: PseudoBoxTable) -> Iterator[list[PseudoBoxRow]]:
    """The rows of each clip, kept ones and better ones first."""
    for _, rows in groupby(table.rows, key=lambda row: row.clip):
        yield sorted(rows, key=lambda row: (row.status != KEPT, -quality_of(row)))


def quality_of(row: PseudoBoxRow) -> float:
    """``Q_v`` of a row; -1 for a skipped clip."""
    return row.track.sequence_quality if row.track is not None else -1.0


def choose(clips: list[list[PseudoBoxRow]], args: argparse.Namespace) -> list[list[PseudoBoxRow]]:
    """The clips the command line asks for."""
    if args.clips:
        clips = [
            rows for rows in clips if any(fnmatch(rows[0].clip, pattern) for pattern in args.clips)
        ]
    if args.status:
        clips = [rows for rows in clips if rows[0].status in args.status]
    if args.limit is not None and args.limit < len(clips):
        clips = sorted(clips, key=lambda rows: -quality_of(rows[0]))
        clips = [clips[i] for i in np.linspace(0, len(clips) - 1, args.limit).round().astype(int)]
    return clips


def make_card(
    rows: list[PseudoBoxRow], config: DiscoveryConfig, args: argparse.Namespace, out: Path
) -> Card:
    """Draw and save the sheet of one clip.

    Raises:
        ClipError: The clip cannot be read any more; a clip that discovery could not read gives a
            card of text instead.
    """
    head = rows[0]
    jpeg = None
    if head.frame_count:
        clip = open_clip(Path(args.videos) / head.clip if args.videos else head.path)
        png, jpeg = render(draw_sheet(clip, rows, config, args.frames, maps=not args.no_maps))
        write_bytes(out / 'sheets' / f'{Path(part_name(head.clip)).stem}.png', png)
    return text_card(rows, head.detail if head.track is None else '', jpeg)


def text_card(rows: list[PseudoBoxRow], detail: str, jpeg: bytes | None = None) -> Card:
    """The gallery's entry of one clip."""
    head = rows[0]
    facts = [head.status if head.status == KEPT else f'{head.status}: {head.reason}']
    if head.track is not None:
        samplable = sum(row.samplable for row in rows)
        facts += [
            f'sequence quality Q_v {head.track.sequence_quality:.2f}',
            f'corner share {head.track.corner_share:.2f}',
            f'{counted(len(rows), "object")}, {samplable or "none"} good enough for training',
        ]
    if head.frame_count:
        facts += [f'{head.width} x {head.height}', f'{head.frame_count} frames']
    return Card(
        head.clip, head.status, quality_of(head), [*facts, detail], jpeg, STATUS_COLORS[head.status]
    )


def render(figure: Figure) -> tuple[bytes, bytes]:
    """A figure as PNG and as the smaller JPEG of the gallery."""
    png = BytesIO()
    jpeg = BytesIO()
    figure.savefig(png, format='png')
    Image.open(png).convert('RGB').save(jpeg, 'JPEG', quality=JPEG_QUALITY, optimize=True)
    return png.getvalue(), jpeg.getvalue()


def browse(args: argparse.Namespace) -> int:
    """Write the gallery; returns the exit status."""
    out = Path(args.out)
    prepare_worker(args.imports)
    table = read_table(args.table)
    config = DiscoveryConfig.from_dict(table.info.config)
    clips = choose(list(rows_by_clip(table)), args)
    if not clips:
        raise ValueError(f'{args.table}: no clip fits --clips and --status')
    (out / 'sheets').mkdir(parents=True, exist_ok=True)
    cards, failed = [], 0
    progress = ProgressLines(len(clips))
    for rows in clips:
        try:
            cards.append(make_card(rows, config, args, out))
        except ClipError as error:
            progress.line(f'no picture: {error}')
            cards.append(text_card(rows, str(error)))
            failed += 1
        progress.advance()
    progress.close()
    title = f'Pseudo boxes of {args.table}'
    page = gallery_html(title, cards, table.info.config, legend_entries(config.quality))
    write_bytes(out / 'index.html', page.encode())
    print(
        f'{counted(len(cards), "clip")} in {out / "index.html"}'
        + (f', {failed} without a picture' if failed else '')
    )
    return PARTIAL if failed else FINE


def main(argv: list[str] | None = None) -> int:
    """Run the tool; returns its exit status."""
    args = parse_args(argv)
    return exit_status(lambda: browse(args), (TableError,), args.out)


if __name__ == '__main__':
    sys.exit(main())
