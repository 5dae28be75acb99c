"""Say what is missing or broken in a benchmark's folder, sequence by sequence.

    usot check configs/_base_/benchmarks/otb100.py --root data/OTB100
    usot check --type LaSOTDataset --root data/LaSOT --subset test

All sequences are looked at. Checked are: sequences of the published list, frames (with their
numbers), annotation, label and attribute files, numbers of lines, sizes, boxes outside the image;
with --decode every image.
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

import usot_plugin  # noqa: F401  (registers everything)
from usot_plugin.datasets.benchmarks import AnnotationError, BenchmarkDataset
from usot_plugin.datasets.benchmarks.checking import SequenceCheck, check_sequence, count_problem
from usot_plugin.registry import DATASETS
from usot_plugin.utils.cli import FINE, PARTIAL, USER_ERROR, exit_status, tool_parser
from usot_plugin.utils.config import ConfigError, add_config_options, load_config, nearest
from usot_plugin.utils.names import shown_name
from usot_plugin.utils.progress import with_progress


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = tool_parser(
        __doc__,
        {
            FINE: 'all is there',
            PARTIAL: 'something is missing or broken',
            USER_ERROR: 'wrong usage',
        },
    )
    parser.add_argument('config', nargs='?', help='config with a test_dataloader; or give --type')
    parser.add_argument(
        '--type', metavar='NAME', help='class of the data set, such as OTB100Dataset'
    )
    parser.add_argument(
        '--root', metavar='DIR', help="folder of the data set (default: the config's)"
    )
    parser.add_argument('--subset', help='of the data set, such as val')
    parser.add_argument(
        '--only', nargs='+', metavar='SEQUENCE', help='look at these sequences only'
    )
    parser.add_argument('--decode', action='store_true', help='decode every image')
    parser.add_argument('--json', action='store_true', help='print the findings as JSON')
    add_config_options(parser)
    args = parser.parse_intermixed_args(argv)
    if (args.config is None) == (args.type is None):
        parser.error('give a config, or --type and --root')
    if args.type and not args.root:
        parser.error('--type needs --root')
    return args


def dataset_config(args: argparse.Namespace) -> dict[str, Any]:
    """The data set's config, command line applied.

    Raises:
        ConfigError: There is no test data in the config, or no such data set.
    """
    if args.type:
        known = [name for name, target in DATASETS.module_dict.items() if _is_benchmark(target)]
        if args.type not in known:
            raise ConfigError(
                f'--type {args.type}: no such '
                f'benchmark{nearest(args.type, known) or "; known are " + ", ".join(known)}'
            )
        config: dict[str, Any] = {'type': args.type}
    else:
        cfg = load_config(args.config, args.cfg_options)
        if not cfg.get('test_dataloader'):
            raise ConfigError(f'{args.config}: no test_dataloader in it')
        config = cfg.test_dataloader.dataset.to_dict()
    given = {'data_root': args.root, 'subset': args.subset, 'sequences': args.only}
    return {**config, **{key: value for key, value in given.items() if value is not None}}


def _is_benchmark(target: Any) -> bool:
    return isinstance(target, type) and issubclass(target, BenchmarkDataset)


def run(args: argparse.Namespace) -> int:
    """Check and report; returns the exit status."""
    config = dataset_config(args)
    title, general, found = str(config['type']), [], []
    try:
        dataset = DATASETS.build(config)
    except AnnotationError as error:
        general.append(str(error))
    except TypeError as error:
        raise ConfigError(f'{config["type"]}: {error}') from error
    else:
        title = dataset.metainfo.get('dataset_name', title)
        miscounted = None if config.get('sequences') else count_problem(dataset)
        general += [miscounted] if miscounted else []
        for name in with_progress(dataset.names, len(dataset.names), 'sequence'):
            found.append(check_sequence(dataset, name, args.decode))
            if not args.json:
                show(found[-1])
    report(args, title, config, general, found)
    return PARTIAL if general or any(check.problems for check in found) else FINE


def show(check: SequenceCheck) -> None:
    """One line for each finding."""
    for problem in check.problems:
        print(f'{shown_name(check.name)}: {shown_name(problem)}', flush=True)
    for note in check.notes:
        print(f'{shown_name(check.name)}: note: {shown_name(note)}', flush=True)


def report(
    args: argparse.Namespace,
    title: str,
    config: dict[str, Any],
    general: list[str],
    found: list[SequenceCheck],
) -> None:
    """The summary line, or everything as JSON."""
    broken = [check for check in found if check.problems]
    frames = sum(check.frames for check in found)
    if args.json:
        summary = {
            'dataset': title,
            'root': str(config.get('data_root')),
            'sequences': len(found),
            'broken': len(broken),
            'frames': frames,
        }
        print(
            json.dumps(
                {**summary, 'problems': general, 'checks': [vars(check) for check in found]},
                indent=1,
            )
        )
        return
    for problem in general:
        print(f'{title}: {problem}')
    problems = len(general) + sum(len(check.problems) for check in broken)
    print(
        f'{title}: {len(found) - len(broken)} of {len(found)} sequences are fine, {frames} '
        f'frames; problems: {problems}'
    )


def main(argv: list[str] | None = None) -> int:
    """Run; returns the exit status."""
    args = parse_args(argv)
    return exit_status(lambda: run(args))


if __name__ == '__main__':
    sys.exit(main())
