"""Draw the loss curves of one or several runs.

    usot plot work_dirs/usot_quick work_dirs/other --out losses.png

The losses are those that the training has written to its work dir.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from usot_plugin.utils.cli import exit_status, tool_parser
from usot_plugin.visualization.loss_curves import ScalarsError, plot_losses, read_scalars


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = tool_parser(__doc__)
    parser.add_argument(
        'work_dirs',
        nargs='+',
        type=Path,
        metavar='WORK_DIR',
        help='folder given to tools/train.py --work-dir',
    )
    parser.add_argument(
        '--labels', nargs='+', help='legend, one a folder (default: the names of the folders)'
    )
    parser.add_argument(
        '--out', type=Path, default=Path('losses.png'), help='PNG to write (default: losses.png)'
    )
    return parser.parse_args(argv)


def draw(args: argparse.Namespace) -> None:
    """Draw the curves of all folders into one picture."""
    labels = args.labels or [folder.name for folder in args.work_dirs]
    if len(labels) != len(args.work_dirs):
        raise ScalarsError(f'{len(labels)} labels for {len(args.work_dirs)} folders')
    runs = {
        label: read_scalars(folder) for label, folder in zip(labels, args.work_dirs, strict=True)
    }
    plot_losses(runs, args.out)
    print(args.out)


def main(argv: list[str] | None = None) -> int:
    """Run; returns the exit status."""
    args = parse_args(argv)
    return exit_status(lambda: draw(args), (ScalarsError,))


if __name__ == '__main__':
    sys.exit(main())
