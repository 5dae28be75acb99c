"""Compare trackers in one HTML file that needs no network.

    usot report RESULTS... --out report.html
    usot report RESULTS --sequences SEQUENCES --published --out report.html

RESULTS are folders that tools/test.py has written: OUT/<tracker>, or OUT for all trackers in it.
With the data given (--sequences ROOT, or --benchmark NAME --data-root DIR) the worst failures are
shown, and every result file is held against its sequence. --published puts the numbers of papers
beside ours, each with its source.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
from mmengine.config import Config

import usot_plugin  # noqa: F401  (registers everything)
from usot_plugin.cli.preflight import check_data, check_inputs
from usot_plugin.datasets.benchmarks import AnnotationError
from usot_plugin.evaluation.reports.comparison import groups_of, read_results
from usot_plugin.evaluation.reports.failures import Failure, failure_strip, longest_failure
from usot_plugin.evaluation.reports.html_report import FailureStrip, Section, report_html
from usot_plugin.evaluation.reports.published import PublishedRow, read_published, rows_of
from usot_plugin.evaluation.reports.scores import Scores
from usot_plugin.evaluation.results.result_files import ResultError, ResultFolder
from usot_plugin.evaluation.running.run_config import benchmark_file, point_data, use_benchmark
from usot_plugin.registry import DATASETS, TASK_UTILS
from usot_plugin.structures.clip import ClipError
from usot_plugin.utils.atomic import write_text
from usot_plugin.utils.cli import exit_status, tool_parser
from usot_plugin.utils.config import nearest
from usot_plugin.utils.packaged import packaged_folder
from usot_plugin.visualization.plots import tracker_color

TABLE = packaged_folder('tools') / 'analysis' / 'published_results.csv'
CONFIGS = packaged_folder('configs')


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = tool_parser(__doc__)
    parser.add_argument('results', nargs='+', metavar='RESULTS', help='result folders')
    parser.add_argument('--out', required=True, metavar='FILE', help='the HTML file')
    parser.add_argument('--title', default='Tracking results', help='heading of the page')
    parser.add_argument(
        '--published',
        nargs='*',
        metavar='BENCHMARK',
        help='numbers of papers: of the same data, and of these benchmarks',
    )
    parser.add_argument(
        '--sequences', metavar='ROOT', help='folder of the sequences that were tracked'
    )
    parser.add_argument(
        '--benchmark', metavar='NAME', help='or the benchmark: configs/_base_/benchmarks/NAME.py'
    )
    parser.add_argument('--data-root', metavar='DIR', help='folder of the benchmark')
    parser.add_argument(
        '--failures', type=int, default=8, metavar='N', help='worst failures to show (default: 8)'
    )
    return parser.parse_args(argv)


def open_data(args: argparse.Namespace) -> tuple[Any, Any] | None:
    """The data set and the protocol that its results were made under; None where no data is given.

    Raises:
        ConfigError: A wrong benchmark, or contradicting arguments.
    """
    if not (args.sequences or args.benchmark):
        if args.data_root:
            raise ValueError('--data-root needs --benchmark NAME')
        return None
    cfg = Config(dict())
    if args.benchmark:
        use_benchmark(cfg, benchmark_file(args.benchmark, CONFIGS))
    point_data(cfg, args.sequences, args.data_root)
    protocol = (cfg.get('test_cfg') or {}).get('protocol') or dict(type='OPE')
    return DATASETS.build(cfg.test_dataloader.dataset), TASK_UTILS.build(dict(protocol))


def worst_failures(
    group: Sequence[Scores], dataset: Any, protocol: Any, count: int
) -> list[FailureStrip]:
    """Pictures of the longest failures of all trackers, one a sequence at most.

    Raises:
        ResultError: A result does not fit its sequence.
        ClipError: A frame cannot be decoded.
    """
    folders = {entry.tracker: protocol.result_folder(entry.folder) for entry in group}
    names = [name for name in dataset.names if all(name in entry.sequences for entry in group)]
    strips: list[tuple[Failure, str]] = []
    for name in names:
        sequence = dataset.load(name)
        found = [
            longest_failure(tracker, sequence, predicted_boxes(folder, sequence))
            for tracker, folder in folders.items()
        ]
        failures = [failure for failure in found if failure is not None]
        if failures:
            strips.append((max(failures, key=lambda failure: failure.missed), name))
    strips.sort(key=lambda entry: -entry[0].missed)
    colors = {entry.tracker: tracker_color(index) for index, entry in enumerate(group)}
    pictures = []
    for failure, name in strips[:count]:
        sequence = dataset.load(name)
        boxes = {tracker: predicted_boxes(folder, sequence) for tracker, folder in folders.items()}
        pictures.append(FailureStrip(failure, failure_strip(sequence, failure, boxes, colors)))
    return pictures


def predicted_boxes(folder: ResultFolder, sequence: Any) -> np.ndarray:
    """Boxes ``(T, 4)`` of a tracker in one sequence, the first of several repetitions.

    Raises:
        ResultError: The result is not finished, or not one of boxes.
    """
    sample = folder.finished_sample(sequence)
    boxes = sample.get('boxes_xyxy', sample.get('repetitions_xyxy'))
    if boxes is None:
        raise ResultError(
            folder.path,
            'failures can be shown of results of one pass only (OPE, GOT10k); leave the data out',
        )
    return np.asarray(boxes[0] if isinstance(boxes, list) else boxes)


def make_sections(args: argparse.Namespace, published: Sequence[PublishedRow]) -> list[Section]:
    """One section a data set and metric."""
    groups = groups_of(read_results(args.results))
    data = open_data(args)
    wanted = data[0].metainfo.get('dataset_name') if data else None
    if data and all(group[0].dataset != wanted for group in groups):
        raise ValueError(
            f'no results on {wanted!r}; there are results on '
            f'{", ".join(sorted({group[0].dataset for group in groups}))}'
        )
    sections = []
    for group in groups:
        strips = (
            worst_failures(group, *data, args.failures)
            if data and group[0].dataset == wanted
            else []
        )
        rows = rows_of(published, group[0].dataset) if args.published is not None else []
        note = (
            f'No paper in the table reports on {group[0].dataset!r}.'
            if args.published is not None and not rows
            else ''
        )
        sections.append(Section(group, rows, strips, note))
    return sections


def run(args: argparse.Namespace) -> None:
    """Read, draw, write."""
    check_data(args)
    check_inputs(outputs=[args.out])
    published = read_published(TABLE)
    further = {}
    for name in args.published or ():
        further[name] = rows_of(published, name)
        if not further[name]:
            known = sorted({row.benchmark for row in published})
            raise ValueError(
                f'--published {name}: no such '
                f'benchmark{nearest(name, known) or "; there are " + ", ".join(known)}'
            )
    sections = make_sections(args, published)
    write_text(args.out, report_html(args.title, sections, further))
    trackers = {entry.folder.resolve() for section in sections for entry in section.scores}
    print(
        f'{len(trackers)} result folders, {sum(len(section.strips) for section in sections)} '
        f'failures shown in {args.out}'
    )


def main(argv: list[str] | None = None) -> int:
    """Run the tool; returns its exit status."""
    args = parse_args(argv)
    return exit_status(lambda: run(args), (ResultError, AnnotationError, ClipError), args.out)


if __name__ == '__main__':
    sys.exit(main())
