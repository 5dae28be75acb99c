"""Does this package work on this card? A table of checks on rendered clips; nothing is fetched, no
data are needed.

    usot check-device --device cuda --seconds 300 --json FILE
    usot check-device --only 'losses-*' train-amp
    usot check-device --list

Losses and gradients of every family against the CPU; training steps in float32, float16, bfloat16,
TF32 and channels-last layout; the training tool under mixed precision, resumed, distributed (one
process) and fully sharded; tracking against the CPU; ResNet-50 steps a second; the time that
torch.compile takes. The most informative checks come first, and none is begun once --seconds are
over. They run in a process of their own: one that crashes or hangs is reported, and the next ones
go on in a new process.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from dataclasses import asdict
from fnmatch import fnmatch
from functools import partial
from pathlib import Path
from typing import Any

from mmengine.device import get_device

from usot_plugin.apis.inference import usable_device
from usot_plugin.testing.device_checks import CHECKS, checks_of
from usot_plugin.testing.isolated import Worker
from usot_plugin.utils.atomic import write_text
from usot_plugin.utils.cli import FINE, PARTIAL, USER_ERROR, exit_status, tool_parser
from usot_plugin.utils.collect_env import collect_env

#: A check that is running when the time is over may go on for so many seconds.
GRACE_S = 20.0


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    statuses = {
        FINE: 'all ok or skipped',
        PARTIAL: 'something differs or has failed',
        USER_ERROR: 'wrong arguments',
    }
    parser = tool_parser(__doc__, statuses)
    parser.add_argument('--device', help='cuda, cuda:1, cpu (default: the GPU if there is one)')
    parser.add_argument(
        '--only', nargs='+', metavar='NAME', help="these checks; 'losses-*' for several"
    )
    parser.add_argument('--skip', nargs='+', metavar='NAME', default=[], help='all but these')
    parser.add_argument('--list', action='store_true', help='print the names of the checks and end')
    parser.add_argument(
        '--seconds', type=float, default=float('inf'), help='begin no check after so many seconds'
    )
    parser.add_argument(
        '--limit',
        type=float,
        default=120.0,
        help='end a check after so many seconds (default: %(default)s)',
    )
    parser.add_argument(
        '--batch', type=int, help='groups of a step of ResNet-50 (default: 12, 1 on a CPU)'
    )
    parser.add_argument(
        '--json', metavar='FILE', help='write the results to a file, too; after every check'
    )
    parser.add_argument('--log', metavar='FILE', help='what the checks print, and tracebacks')
    args = parser.parse_args(argv)
    if args.seconds <= 0 or args.limit <= 0 or (args.batch is not None and args.batch < 1):
        parser.error('--seconds, --limit and --batch have to be positive')
    return args


def chosen(names: list[str], only: list[str] | None, skip: list[str]) -> list[str]:
    """The checks to run, in their order.

    Raises:
        ValueError: A pattern fits no check.
    """
    for pattern in (*(only or ()), *skip):
        if not any(fnmatch(name, pattern) for name in names):
            raise ValueError(f'no check is called {pattern!r}; --list prints their names')
    return [
        name
        for name in names
        if (only is None or any(fnmatch(name, pattern) for pattern in only))
        and not any(fnmatch(name, pattern) for pattern in skip)
    ]


def choose_device(wanted: str | None) -> str:
    """``'cpu'`` or the device type, which is the only one that the checks will see.

    Raises:
        ValueError: It cannot be used.
    """
    device = usable_device(wanted or get_device())
    if device.type == 'cpu':
        os.environ['CUDA_VISIBLE_DEVICES'] = ''
    elif device.type == 'cuda' and device.index:
        visible = os.environ.get('CUDA_VISIBLE_DEVICES', '').split(',')
        os.environ['CUDA_VISIBLE_DEVICES'] = (
            visible[device.index] if len(visible) > device.index else str(device.index)
        )
    return device.type


def as_line(row: dict[str, Any]) -> str:
    """One line of the table."""
    number = '' if row['number'] is None else f'{row["number"]:.3g}'
    return (
        f'{row["name"]:<34} {row["result"]:<18} {number:>9} {row["unit"]:<7} '
        f'{row["seconds"]:>6.1f} s  {row["detail"]}'.rstrip()
    )


def check(args: argparse.Namespace) -> int:
    """Run the checks, print a line for each."""
    begin = time.perf_counter()
    names = chosen(list(CHECKS), args.only, args.skip)
    if args.list:
        print('\n'.join(names))
        return FINE
    device = choose_device(args.device)
    machine = collect_env()
    print('\n'.join(f'{key}: {value}' for key, value in machine.items()), flush=True)
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        batch = args.batch or (1 if device == 'cpu' else 12)
        build = partial(checks_of, folder, device, batch, args.limit)
        worker = Worker(build, Path(args.log or Path(folder, 'log')).resolve())
        try:
            for name in names:
                left = args.seconds - (time.perf_counter() - begin)
                if left <= 0:
                    break
                started = time.perf_counter()
                outcome = asdict(worker.run(name, min(args.limit, left + GRACE_S)))
                rows.append(
                    {'name': name, **outcome, 'seconds': round(time.perf_counter() - started, 2)}
                )
                print(as_line(rows[-1]), flush=True)
                if args.json:
                    content = {
                        'device': device,
                        'machine': machine,
                        'rows': rows,
                        'not_begun': names[len(rows) :],
                    }
                    write_text(args.json, json.dumps(content, indent=1) + '\n')
        finally:
            worker.close()
    good = sum(row['result'] == 'ok' for row in rows)
    skipped = sum(row['result'].startswith('skipped') for row in rows)
    rest = (
        f', {len(names) - len(rows)} not begun within {args.seconds:g} s'
        if len(rows) < len(names)
        else ''
    )
    print(
        f'{good} ok, {len(rows) - good - skipped} not, {skipped} skipped{rest}; '
        f'{time.perf_counter() - begin:.0f} s'
    )
    return FINE if good + skipped == len(rows) else PARTIAL


def main(argv: list[str] | None = None) -> int:
    """Run the tool; returns the exit status."""
    args = parse_args(argv)
    return exit_status(lambda: check(args), (), args.json)


if __name__ == '__main__':
    sys.exit(main())
