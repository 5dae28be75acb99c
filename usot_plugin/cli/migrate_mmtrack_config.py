"""Rewrite a single-object-tracking config of MMTracking 1.x (dev-1.x) for this package.

    usot migrate OLD.py --out NEW.py --model configs/_base_/models/usot_r50_net.py

Data sets, test loop and metrics are translated, and what MMEngine itself knows is kept. Every key
that has no counterpart is named on stderr, with the reason, and in the first lines of NEW.py.
MMTracking need not be installed. docs/migration.md tells the rest.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from mmengine.config import Config

import usot_plugin  # noqa: F401  (registers everything)
from usot_plugin.cli.dry_run import add_dry_run, show_plan
from usot_plugin.utils.atomic import write_text
from usot_plugin.utils.cli import FINE, PARTIAL, USER_ERROR, exit_status, tool_parser
from usot_plugin.utils.config import check_config
from usot_plugin.utils.migration import (
    MigrationError,
    migrate,
    read_old_config,
    read_plain,
    write_config,
)
from usot_plugin.utils.packaged import packaged_folder

BENCHMARKS = packaged_folder('configs') / '_base_' / 'benchmarks'


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    statuses = {
        FINE: 'all keys are translated',
        PARTIAL: 'some are left, each is named',
        USER_ERROR: 'OLD.py cannot be read',
    }
    parser = tool_parser(__doc__, statuses)
    parser.add_argument(
        'config', metavar='OLD.py', help='config of MMTracking 1.x, its bases beside it'
    )
    parser.add_argument(
        '--out', type=Path, metavar='NEW.py', help='where to write (default: print)'
    )
    parser.add_argument(
        '--model', metavar='FILE', help='config of a model of this package that NEW.py builds on'
    )
    parser.add_argument('--overwrite', action='store_true', help='replace NEW.py')
    add_dry_run(parser)
    return parser.parse_args(argv)


def load_benchmarks() -> list[dict[str, Any]]:
    """Test parts of this package's benchmark configs."""
    return [read_plain(file) for file in sorted(BENCHMARKS.glob('*.py'))]


def run(args: argparse.Namespace) -> int:
    """Migrate, and say what is left."""
    if args.out is not None and args.out.exists() and not args.overwrite:
        raise MigrationError(f'{args.out}: is there already (--overwrite replaces it)')
    migration = migrate(read_old_config(args.config), load_benchmarks(), args.model)
    check_config(Config(migration.content), args.config)
    text = write_config(
        migration,
        args.config,
        Path.cwd() if args.out is None else args.out.resolve().parent,
        args.model,
    )
    if args.dry_run:
        show_plan(
            reads=[args.config, *([args.model] if args.model else [])],
            builds=[f'a config with {", ".join(migration.content)}'],
            writes=[args.out],
        )
    elif args.out is None:
        print(text, end='')
    else:
        write_text(args.out, text)
        print(f'{args.out}: {", ".join(migration.content)}')
    for kind, lines in (('note', migration.note_lines), ('left', migration.left_lines)):
        for line in lines:
            print(f'{kind}: {line}', file=sys.stderr)
    return PARTIAL if migration.left else FINE


def main(argv: list[str] | None = None) -> int:
    """Run the tool; returns its exit status."""
    args = parse_args(argv)
    return exit_status(lambda: run(args), where=args.out or '')


if __name__ == '__main__':
    sys.exit(main())
