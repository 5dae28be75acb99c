"""Run the fault campaign and print its table: tries, right, wrong.

    python -m tests.campaign --kills 200 --inputs 10000 --seed 1
    python -m tests.campaign --replay 1-kill-17

Kinds:
  kill    SIGKILL at a random moment (by the clock, or before a change of a file that is counted),
          then the same command again: what it writes equals an undisturbed run bit for bit,
          no process is left, no file is half written
  pair    the same command twice at the same time in one folder
  disk    a disk without room for the output: one line says so, and with room the same command
          goes on (needs mount)
  name    hostile names in tables, lists and folders, to every writer: nothing outside its output
          changes
  input   damaged files, to every reader: read, or named in one line

A case depends on the seed and on its number; --replay SEED-KIND-NUMBER runs it alone. (A kill by
the clock comes at the same share of an undisturbed run, so the instruction that it hits differs.)
Linux only: processes are looked for in /proc.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

KINDS = ('kill', 'pair', 'disk', 'name', 'input')
WHAT = {
    'kill': 'killed, then the same command again',
    'pair': 'two processes on one folder',
    'disk': 'full disk, then room',
    'name': 'hostile names',
    'input': 'damaged files',
}


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        'python -m tests.campaign',
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('--kills', type=int, default=200, metavar='N')
    parser.add_argument('--pairs', type=int, default=24, metavar='N')
    parser.add_argument('--disks', type=int, default=24, metavar='N')
    parser.add_argument(
        '--names', type=int, metavar='N', help='default: every writer with every name once'
    )
    parser.add_argument('--inputs', type=int, default=10_000, metavar='N')
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--replay', metavar='SEED-KIND-NUMBER', help='this case alone')
    parser.add_argument(
        '--minutes',
        type=float,
        metavar='M',
        help='begin no case of a kind after its share of M minutes',
    )
    parser.add_argument(
        '--out',
        type=Path,
        default=Path('work_dirs/campaign'),
        help='made anew (default: %(default)s)',
    )
    return parser.parse_args(argv)


def cases_of(
    campaign: Any, kind: str, numbers: range, deadline: float
) -> Iterator[tuple[int, str, str]]:
    """Number, what was tried and what is wrong of each case of a kind."""
    from . import kinds

    if kind == 'input':
        for first in range(numbers.start, numbers.stop, kinds.BATCH):
            if time.monotonic() > deadline:
                return
            yield from kinds.fuzz_batch(campaign, first, min(kinds.BATCH, numbers.stop - first))
        return
    run = {
        'kill': kinds.kill,
        'pair': kinds.two_processes,
        'disk': kinds.full_disk,
        'name': kinds.hostile_name,
    }[kind]
    for case in numbers:
        if time.monotonic() > deadline:
            return
        try:
            shown, wrong = run(campaign, case)
        except TimeoutError as error:
            shown, wrong = f'{kind} {case}', str(error)
        if wrong and wrong != kinds.SKIPPED:
            campaign.keep(kind, case)
        yield case, shown, wrong


def rows_of(cases: list[dict[str, Any]]) -> list[tuple[str, str, int, int]]:
    """Kind, what was tried, number of tries and of wrong ones."""
    counts: dict[tuple[str, str], list[int]] = {}
    for case in cases:
        what = case['tried'].split(':')[0].split(',')[0].split(' twice')[0].split(' on a disk')[0]
        count = counts.setdefault((case['kind'], what if case['kind'] != 'name' else ''), [0, 0])
        count[0] += 1
        count[1] += bool(case['wrong'])
    return [(*key, *count) for key, count in counts.items()]


def table_of(cases: list[dict[str, Any]]) -> str:
    """The table in Markdown."""
    lines = ['| fault | tool or file | tries | right | wrong |', '|---|---|---|---|---|']
    total = [0, 0]
    for kind, what, tries, wrong in rows_of(cases):
        lines.append(
            f'| {WHAT[kind]} | {what or "all writers"} | {tries} | {tries - wrong} | {wrong} |'
        )
        total[0] += tries
        total[1] += wrong
    lines.append(f'| all | | {total[0]} | {total[0] - total[1]} | {total[1]} |')
    return '\n'.join(lines)


def main(argv: list[str] | None = None) -> int:
    """Run; 0 where nothing went wrong, 1 otherwise."""
    args = parse_args(argv)
    os.environ.update(OMP_NUM_THREADS='1', MKL_NUM_THREADS='1', OPENBLAS_NUM_THREADS='1')
    os.environ.setdefault('CUDA_VISIBLE_DEVICES', '')
    from .kinds import SKIPPED, Campaign, NotHereError, name_cases
    from .processes import import_tools
    from .tools import MODULES

    seed, wanted = args.seed, {}
    if args.replay:
        text, kind, number = args.replay.split('-')
        seed, wanted = int(text), {kind: range(int(number), int(number) + 1)}
    else:
        names = len(name_cases()) if args.names is None else args.names
        counts = dict(
            zip(KINDS, (args.kills, args.pairs, args.disks, names, args.inputs), strict=True)
        )
        wanted = {kind: range(counts[kind]) for kind in KINDS if counts[kind]}
    import_tools(MODULES)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a small disk is unmounted
    try:
        campaign = Campaign(args.out, seed)
    except FileExistsError as error:
        print(f'error: {error}', file=sys.stderr)
        return 2
    begin, cases = time.monotonic(), []
    report = args.out / 'campaign.json'
    try:
        for place, (kind, numbers) in enumerate(wanted.items(), 1):
            deadline = float('inf')
            if args.minutes is not None:
                deadline = begin + 60 * args.minutes * place / len(wanted)
            try:
                for case, tried, wrong in cases_of(campaign, kind, numbers, deadline):
                    if wrong == SKIPPED:
                        continue
                    cases.append({'kind': kind, 'case': case, 'tried': tried, 'wrong': wrong})
                    if wrong:
                        print(f'WRONG {seed}-{kind}-{case} {tried}: {wrong}', flush=True)
                    elif kind != 'input' or case % 1000 == 999:
                        print(f'right {seed}-{kind}-{case} {tried}', flush=True)
                    if kind != 'input' or case % 250 == 249:
                        write_report(report, seed, begin, cases)
            except NotHereError as error:
                print(f'{WHAT[kind]}: not tried: {error}', flush=True)
    except KeyboardInterrupt:
        print('interrupted', file=sys.stderr)
    write_report(report, seed, begin, cases)
    print(
        f'\n{table_of(cases)}\n\nseed {seed}, {time.monotonic() - begin:.0f} s; all cases: {report}'
    )
    return int(any(case['wrong'] for case in cases))


def write_report(path: Path, seed: int, begin: float, cases: list[dict[str, Any]]) -> None:
    """Everything that makes a case repeatable."""
    content = {
        'command': ' '.join(['python -m tests.campaign', *sys.argv[1:]]),
        'seed': seed,
        'date': time.strftime('%Y-%m-%d'),
        'seconds': round(time.monotonic() - begin, 1),
        'machine': f'{platform.platform()}, {os.cpu_count()} cores',
        'cases': cases,
    }
    path.write_text(json.dumps(content, indent=1) + '\n', encoding='utf-8')


if __name__ == '__main__':
    sys.exit(main())
