"""Print a config as a run sees it: bases merged, options applied, checked.

    usot config CONFIG --cfg-options KEY=VALUE --save FILE.py

What is printed can be read as a config again.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import usot_plugin  # noqa: F401  (registers everything)
from usot_plugin.utils.atomic import whole_file
from usot_plugin.utils.cli import exit_status, tool_parser
from usot_plugin.utils.config import add_config_options, load_config

#: What MMEngine's ``Config.dump`` can write.
FORMATS = ('.py', '.json', '.yaml', '.yml')


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = tool_parser(__doc__)
    parser.add_argument('config', help='config file')
    parser.add_argument(
        '--save', metavar='FILE', help=f'write it to a file, too ({", ".join(FORMATS)})'
    )
    add_config_options(parser)
    args = parser.parse_args(argv)
    if args.save and Path(args.save).suffix not in FORMATS:
        parser.error(f'--save {args.save}: the name ends in one of {", ".join(FORMATS)}')
    return args


def show(args: argparse.Namespace) -> None:
    """Print and write."""
    cfg = load_config(args.config, args.cfg_options)
    print(cfg.pretty_text, end='')
    if args.save:
        with whole_file(args.save) as temporary:
            cfg.dump(temporary)


def main(argv: list[str] | None = None) -> int:
    """Run the tool; returns the exit status."""
    args = parse_args(argv)
    return exit_status(lambda: show(args), where=args.save)


if __name__ == '__main__':
    sys.exit(main())
