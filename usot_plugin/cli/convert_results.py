"""Convert one tracker's result files to the format of another community, and back.

    usot convert-results RESULTS --to got10k --out DIR

RESULTS is ``OUT/<tracker>`` of ``usot test`` (``--from`` for another format); DIR has to be new or
empty. Formats and what they are read by:

{formats}
"""

from __future__ import annotations

import argparse
import sys

from usot_plugin.evaluation.results.formats import FORMATS, convert, format_of
from usot_plugin.evaluation.results.result_files import ResultError
from usot_plugin.utils.cli import FINE, USER_ERROR, exit_status, tool_parser


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    table = '\n'.join(
        f'  {name:<12}{form.box_file:<36}{form.reader}' for name, form in FORMATS.items()
    )
    parser = tool_parser(
        (__doc__ or '').format(formats=table),
        {FINE: 'converted', USER_ERROR: 'nothing was written'},
    )
    parser.add_argument('results', help="folder of one tracker's results")
    parser.add_argument('--to', required=True, choices=list(FORMATS), help='format to write')
    parser.add_argument('--out', required=True, metavar='DIR', help='folder to write')
    parser.add_argument(
        '--from',
        dest='source',
        default='plugin',
        choices=list(FORMATS),
        help='format to read (default: plugin)',
    )
    parser.add_argument(
        '--origin',
        type=int,
        choices=[0, 1],
        help='first pixel in files of the format to write (default: see the table)',
    )
    parser.add_argument(
        '--from-origin', type=int, choices=[0, 1], help='first pixel in files of the format to read'
    )
    parser.add_argument(
        '--repeat-lost',
        action='store_true',
        help='write the last box again where the tracker gave none',
    )
    return parser.parse_args(argv)


def run(args: argparse.Namespace) -> None:
    """Convert."""
    source = format_of(args.source, args.from_origin)
    target = format_of(args.to, args.origin)
    names = convert(args.results, source, args.out, target, args.repeat_lost)
    print(
        f'wrote {args.out}: {len(names)} sequences as {args.to} ({target.reader}), pixels '
        f'counted from {target.origin}'
    )


def main(argv: list[str] | None = None) -> int:
    """Run the tool; returns its exit status."""
    args = parse_args(argv)
    return exit_status(lambda: run(args), (ResultError,), args.out)


if __name__ == '__main__':
    sys.exit(main())
