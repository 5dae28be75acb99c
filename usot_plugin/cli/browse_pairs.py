"""Look at mined pairs: one HTML page with every instance and all patches that were found for it.

    usot browse-pairs work_dirs/pul/pairs --out work_dirs/pul/pair_gallery

PAIRS is the table that the second stage of PUL has written.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import numpy as np

from usot_plugin.datasets.samplers.mined_pairs import MinedChain, evidence_file, read_chains
from usot_plugin.discovery.table.format import TableError
from usot_plugin.discovery.table.reading import read_table
from usot_plugin.structures import ClipError
from usot_plugin.structures.image_clip import open_clip_or_image
from usot_plugin.utils.atomic import write_bytes
from usot_plugin.utils.cli import FINE, PARTIAL, USER_ERROR, exit_status, tool_parser
from usot_plugin.utils.progress import with_progress
from usot_plugin.visualization.gallery import gallery_html
from usot_plugin.visualization.pair_gallery import chain_card


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    statuses = {
        FINE: 'all drawn',
        PARTIAL: 'some clips could not be read',
        USER_ERROR: 'wrong arguments or table',
    }
    parser = tool_parser(__doc__, statuses)
    parser.add_argument('pairs', help='folder of mined pairs (train_pul.py: <shared_dir>/pairs)')
    parser.add_argument('--out', required=True, metavar='DIR', help='folder for index.html')
    parser.add_argument(
        '--clips', nargs='+', metavar='PATTERN', help="only clips whose name fits, e.g. 'dog*'"
    )
    parser.add_argument('--limit', type=int, metavar='N', help='only N instances, evenly spread')
    args = parser.parse_args(argv)
    if args.limit is not None and args.limit < 1:
        parser.error(f'--limit must be at least 1, not {args.limit}')
    return args


def chosen_chains(args: argparse.Namespace) -> Iterator[tuple[str, str, list[MinedChain]]]:
    """Name, path and chains of each clip that the command line asks for."""
    rows = read_table(args.pairs)
    names = dict(zip(rows.column('clip').tolist(), rows.column('path').tolist(), strict=True))
    fitting = {
        name: path
        for name, path in names.items()
        if not args.clips or any(fnmatch(name, pattern) for pattern in args.clips)
    }
    found = [
        (name, path, chain)
        for name, path in fitting.items()
        for chain in read_chains(evidence_file(args.pairs, name))
    ]
    if args.limit is not None and args.limit < len(found):
        found = [found[i] for i in np.linspace(0, len(found) - 1, args.limit).round().astype(int)]
    for name, path in fitting.items():
        chains = [chain for owner, _, chain in found if owner == name]
        if chains:
            yield name, path, chains


def browse(args: argparse.Namespace) -> int:
    """Write the page; returns the exit status."""
    cards, failed = [], 0
    chosen = list(chosen_chains(args))
    for name, path, chains in with_progress(chosen, len(chosen), 'clip'):
        try:
            clip = open_clip_or_image(path)
            cards += [chain_card(name, clip, chain) for chain in chains]
        except ClipError as error:
            print(f'no picture: {error}', file=sys.stderr)
            failed += 1
    if not cards:
        raise ValueError(f'{args.pairs}: no instance fits --clips, or no clip can be read')
    page = Path(args.out, 'index.html')
    write_bytes(
        page,
        gallery_html(
            f'Mined pairs of {args.pairs}', cards, read_table(args.pairs).info.config
        ).encode(),
    )
    print(
        f'{len(cards)} instances in {page}'
        + (f', {failed} clips without a picture' if failed else '')
    )
    return PARTIAL if failed else FINE


def main(argv: list[str] | None = None) -> int:
    """Run the tool; returns its exit status."""
    args = parse_args(argv)
    return exit_status(lambda: browse(args), (TableError, ClipError), args.out)


if __name__ == '__main__':
    sys.exit(main())
