"""What a tracker costs: parameters, and multiply-adds of the template branch, the search branch and
a tracked frame.

    usot flops CONFIG --modules 2 --json FILE

The config's own tracker runs on the CPU with random weights and one target; what it computes is
counted, all scales of a pyramid and a full memory included. One multiply-add is one multiplication
and one addition: multiply by two for operations. Counted are convolutions, matrix products and
Fourier transforms; batch norm, activations, pooling and resampling are not.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict

import torch

import usot_plugin  # noqa: F401  (registers everything)
from usot_plugin.apis.complexity import Complexity, tracker_complexity
from usot_plugin.utils.atomic import write_text
from usot_plugin.utils.cli import exit_status, tool_parser
from usot_plugin.utils.config import ConfigError, add_config_options, load_config


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = tool_parser(__doc__)
    parser.add_argument('config', help='config file')
    parser.add_argument(
        '--shape',
        type=int,
        nargs='+',
        metavar='PX',
        help="side of the template crop and of the search crop (default: the tracker's)",
    )
    parser.add_argument(
        '--modules',
        type=int,
        nargs='?',
        const=2,
        default=0,
        metavar='DEPTH',
        help='list the modules, so many levels deep (without DEPTH: 2)',
    )
    parser.add_argument('--json', metavar='FILE', help='write all numbers to a file, too')
    add_config_options(parser)
    args = parser.parse_args(argv)
    if args.shape is not None and (len(args.shape) > 2 or min(args.shape) < 1):
        parser.error('--shape takes one or two positive numbers')
    if args.modules < 0:
        parser.error('--modules has to be positive')
    return args


def millions(count: int) -> str:
    """A count in millions."""
    return f'{count / 1e6:,.1f} M'


def table(found: Complexity) -> list[str]:
    """The parts, a line each."""
    template, search = (f'{px}x{px}' for px in (found.template_px, found.search_px))
    rows = [
        ('template branch', template, found.template_branch, 'features of one crop'),
        ('search branch', search, found.search_branch, 'features of one crop'),
        ('first frame', '', found.first_frame, f'{found.tracker}.init, all of it'),
        ('tracked frame', '', found.tracked_frame, f'{found.tracker}.update, all of it'),
    ]
    head = f'{"part":<16} {"crop":>9} {"multiply-adds":>14}'
    return [
        head,
        *(
            f'{part:<16} {crop:>9} {millions(count):>14}  {what}'
            for part, crop, count, what in rows
        ),
    ]


def module_table(found: Complexity, depth: int) -> list[str]:
    """Modules that hold parameters or compute, indented by their level, and what belongs to
    none."""
    lines = [f'{"module":<48} {"parameters":>12} {"first frame":>14} {"tracked frame":>14}']
    for name, cost in found.modules.items():
        level = name.count('.')
        if level < depth and (cost.parameters or cost.first_frame or cost.tracked_frame):
            label = '  ' * level + name.rpartition('.')[2]
            lines.append(
                f'{label:<48} {cost.parameters:>12,} {millions(cost.first_frame):>14} '
                f'{millions(cost.tracked_frame):>14}'
            )
    first, later = (
        getattr(found, part)
        - sum(getattr(cost, part) for name, cost in found.modules.items() if '.' not in name)
        for part in ('first_frame', 'tracked_frame')
    )
    lines.append(
        f'{"(outside of modules)":<48} {"":>12} {millions(first):>14} {millions(later):>14}'
    )
    return lines


def measure(args: argparse.Namespace) -> None:
    """Count, print, write."""
    cfg = load_config(args.config, args.cfg_options)
    if 'model' not in cfg:
        raise ConfigError(f'{args.config}: there is no model in it')
    torch.manual_seed(0)
    shape = None if args.shape is None else (args.shape[0], args.shape[-1])
    try:
        found = tracker_complexity(cfg.model.to_dict(), shape)
    except ValueError as error:
        raise ConfigError(f'{args.config}: {error}') from error
    print(f'{args.config}: {found.tracker}, {found.parameters:,} parameters')
    print('\n'.join(table(found)))
    if args.modules:
        print('\n' + '\n'.join(module_table(found, args.modules)))
    if args.json:
        write_text(args.json, json.dumps({'config': args.config, **asdict(found)}, indent=1) + '\n')


def main(argv: list[str] | None = None) -> int:
    """Run the tool; returns the exit status."""
    args = parse_args(argv)
    return exit_status(lambda: measure(args), where=args.json)


if __name__ == '__main__':
    sys.exit(main())
