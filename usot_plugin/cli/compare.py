"""Compare trackers: a table of their totals, and with --video a video of them side by side.

RESULTS are folders that tools/test.py has written: OUT/<tracker>, or OUT for all trackers in it.
The video shows each tracker on the same clip and the overlaps of all frames below. It needs the
data that was tracked: --sequences ROOT, or --benchmark NAME --data-root DIR. Without --only it
shows the sequence on which the trackers differ most.

    usot compare OUT/A OUT/B
    usot compare OUT/A OUT/B --video --sequences SEQUENCES --only car --out work_dirs/compare
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import usot_plugin  # noqa: F401  (registers everything)
from usot_plugin.cli.preflight import check_data, check_inputs
from usot_plugin.cli.report import open_data, predicted_boxes
from usot_plugin.datasets.benchmarks import AnnotationError
from usot_plugin.evaluation.reports.comparison import groups_of, read_results, uneven
from usot_plugin.evaluation.reports.measures import legend, measure_of
from usot_plugin.evaluation.reports.scores import Scores, aligned_table
from usot_plugin.evaluation.results.result_files import ResultError
from usot_plugin.structures.clip import ClipError
from usot_plugin.utils.cli import exit_status, note, tool_parser
from usot_plugin.utils.config import nearest
from usot_plugin.utils.names import path_below, shown_name
from usot_plugin.visualization.comparison_video import write_comparison
from usot_plugin.visualization.video_writer import VideoWriteError


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = tool_parser(__doc__)
    parser.add_argument('results', nargs='+', metavar='RESULTS', help='result folders')
    parser.add_argument('--video', action='store_true', help='write a video for each sequence')
    parser.add_argument(
        '--out',
        type=Path,
        default=Path('work_dirs/compare'),
        metavar='DIR',
        help='folder of the videos (default: work_dirs/compare)',
    )
    parser.add_argument('--only', nargs='+', metavar='NAME', help='videos of these sequences')
    parser.add_argument(
        '--sequences', metavar='ROOT', help='folder of the sequences that were tracked'
    )
    parser.add_argument(
        '--benchmark', metavar='NAME', help='or the benchmark: configs/_base_/benchmarks/NAME.py'
    )
    parser.add_argument('--data-root', metavar='DIR', help='folder of the benchmark')
    args = parser.parse_args(argv)
    if args.video and not (args.sequences or args.benchmark):
        parser.error(
            '--video needs the data: --sequences ROOT, or --benchmark NAME --data-root DIR'
        )
    if args.only and not args.video:
        parser.error('--only chooses the sequences of --video, which is missing')
    return args


def totals_text(group: Sequence[Scores]) -> str:
    """Table of the totals of trackers that can be compared, best first, and what its columns
    mean."""
    names = list(dict.fromkeys(name for entry in group for name in entry.measures))
    names = [name for name in names if measure_of(name).better]
    main = group[0].main
    better = measure_of(main).better
    ranked = sorted(group, key=lambda entry: -better * entry.total.get(main, -better * np.inf))
    heads = ['tracker', *(measure_of(name).head for name in names), 'sequences']
    rows = [
        [
            shown_name(entry.tracker),
            *(measure_of(name).text(entry.total.get(name)) for name in names),
            str(len(entry.sequences)),
        ]
        for entry in ranked
    ]
    lines = [group[0].title, aligned_table(heads, rows), legend(names)]
    differing = uneven(group)
    return '\n'.join(
        [*lines, *([f'not over the same sequences: {differing}'] if differing else [])]
    )


def choose_sequences(
    group: Sequence[Scores], known: Sequence[str], only: Sequence[str] | None
) -> list[str]:
    """Sequences to show: those asked for, or the one on which the trackers differ most.

    Args:
        group: Trackers that can be compared.
        known: Names of the data set.
        only: Asked for.

    Raises:
        ValueError: A name that no tracker or no data has, or no sequence that all trackers have.
    """
    common = [name for name in known if all(name in entry.sequences for entry in group)]
    if not common:
        raise ValueError(f'no sequence of {group[0].dataset} was scored for all trackers')
    for name in only or ():
        if name not in common:
            raise ValueError(f'--only {shown_name(name)}: no such sequence{nearest(name, common)}')
    if only:
        return list(dict.fromkeys(only))
    main = group[0].main

    def spread(name: str) -> float:
        values = [entry.sequences[name].get(main, np.nan) for entry in group]
        return float(np.nan_to_num(np.ptp(values)))

    return [max(common, key=spread)]


def write_videos(group: Sequence[Scores], data: tuple[Any, Any], args: argparse.Namespace) -> None:
    """A video for each chosen sequence.

    Raises:
        ResultError: A result does not fit its sequence, or is not one of boxes.
        ClipError: A frame cannot be decoded.
        VideoWriteError: A video cannot be written.
    """
    dataset, protocol = data
    folders = {entry.tracker: protocol.result_folder(entry.folder) for entry in group}
    for name in choose_sequences(group, dataset.names, args.only):
        sequence = dataset.load(name)
        boxes = {tracker: predicted_boxes(folder, sequence) for tracker, folder in folders.items()}
        path = path_below(args.out, f'{name}.mp4', 'sequence')
        note(f'{shown_name(name)}: {len(sequence)} frames')
        write_comparison(path, sequence, boxes)
        print(f'wrote {path}')


def run(args: argparse.Namespace) -> None:
    """Read, print, write."""
    check_data(args)
    check_inputs(outputs=[args.out])
    groups = groups_of(read_results(args.results))
    data = open_data(args)
    print('\n\n'.join(map(totals_text, groups)))
    if not args.video or data is None:
        return
    wanted = data[0].metainfo.get('dataset_name')
    group = next((group for group in groups if group[0].dataset == wanted), None)
    if group is None:
        there = ', '.join(sorted({group[0].dataset for group in groups}))
        raise ValueError(f'no results on {wanted!r}; there are results on {there}')
    write_videos(group, data, args)


def main(argv: list[str] | None = None) -> int:
    """Run the tool; returns its exit status."""
    args = parse_args(argv)
    return exit_status(
        lambda: run(args), (ResultError, AnnotationError, ClipError, VideoWriteError), args.out
    )


if __name__ == '__main__':
    sys.exit(main())
