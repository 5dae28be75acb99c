"""How far two runs agree, box by box: IoU and distance in pixels for each sequence of two folders
of result files.

    usot compare-boxes work_dirs/udt_published/results/UDTTracker RECORDED --least-iou 0.98

A result file is SEQUENCE.txt with x,y,w,h (0-based) a line, as tools/test.py and most toolkits
write it. Sequences that only one folder has are left out and counted. A frame without a box in both
counts as agreement, in one of them as IoU 0.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from usot_plugin.evaluation.results.formats import FORMATS, find_names
from usot_plugin.evaluation.results.result_files import OnePassResults, ResultError
from usot_plugin.structures.boxes import iou
from usot_plugin.utils.cli import FINE, PARTIAL, exit_status, tool_parser
from usot_plugin.utils.names import table_cell

STATUSES = {
    0: 'every sequence agrees',
    1: 'a mean IoU is below --least-iou',
    2: 'wrong arguments or files',
}


@dataclass(frozen=True)
class Agreement:
    """Of one sequence; ``first_frame`` is the first whose boxes are more than the tolerance apart,
    None where there is none."""

    name: str
    frames: int
    mean_iou: float
    least_iou: float
    largest_px: float
    first_frame: int | None


def compare(name: str, a_xyxy: np.ndarray, b_xyxy: np.ndarray, tolerance_px: float) -> Agreement:
    """Compare boxes ``(T, 4)`` of two runs; nan is a frame without a box."""
    absent = np.isnan(a_xyxy).any(1), np.isnan(b_xyxy).any(1)
    overlaps = np.where(absent[0] & absent[1], 1.0, np.nan_to_num(iou(a_xyxy, b_xyxy)))
    distances = np.abs(a_xyxy - b_xyxy).max(1)
    distances = np.where(
        absent[0] & absent[1], 0.0, np.where(absent[0] ^ absent[1], np.inf, distances)
    )
    apart = np.flatnonzero(distances > tolerance_px)
    first = int(apart[0]) if len(apart) else None
    return Agreement(
        name,
        len(a_xyxy),
        float(overlaps.mean()),
        float(overlaps.min()),
        float(distances.max()),
        first,
    )


def _names(folder: Path) -> set[str]:
    return set(find_names(folder, FORMATS['plugin'])) if any(folder.glob('*.txt')) else set()


def compare_folders(first: Path, second: Path, tolerance_px: float) -> tuple[list[Agreement], int]:
    """All sequences that both folders have, by name, and how many only one of them has.

    Raises:
        ResultError: A file is malformed, or two files have different numbers of frames.
        ValueError: The folders have no sequence in common.
    """
    names = [_names(folder) for folder in (first, second)]
    common = sorted(names[0] & names[1])
    if not common:
        raise ValueError(f'{first} and {second} have no result file of the same name')
    rows = []
    for name in common:
        boxes = [OnePassResults(folder).read(name).boxes_xyxy for folder in (first, second)]
        if len(boxes[0]) != len(boxes[1]):
            raise ResultError(
                second / f'{name}.txt', f'{len(boxes[1])} lines, and {len(boxes[0])} in {first}'
            )
        rows.append(compare(name, boxes[0], boxes[1], tolerance_px))
    return rows, len(names[0] ^ names[1])


def print_agreement(args: argparse.Namespace) -> int:
    """Print the table; the exit status says whether a sequence is below the wanted overlap."""
    rows, alone = compare_folders(args.first, args.second, args.tolerance)
    print(
        '| sequence | frames | mean IoU | least IoU | largest difference, px | first frame apart '
        '|\n|---|---|---|---|---|---|'
    )
    for row in rows:
        first = '-' if row.first_frame is None else row.first_frame
        print(
            f'| {table_cell(row.name)} | {row.frames} | {row.mean_iou:.4f} | {row.least_iou:.4f} '
            f'| {row.largest_px:.4f} | {first} |'
        )
    below = [row.name for row in rows if row.mean_iou < args.least_iou]
    print(
        f'{len(rows)} sequences, {alone} left out, {len(below)} below a mean IoU of '
        f'{args.least_iou:g}'
    )
    return PARTIAL if below else FINE


def main(argv: list[str] | None = None) -> int:
    """Run; returns the exit status."""
    parser = tool_parser(__doc__, STATUSES)
    parser.add_argument('first', type=Path, help='folder of result files')
    parser.add_argument('second', type=Path, help='folder of result files to compare with')
    parser.add_argument(
        '--least-iou',
        type=float,
        default=0.98,
        help='mean IoU that every sequence needs (default: %(default)s)',
    )
    parser.add_argument(
        '--tolerance',
        type=float,
        default=0.01,
        metavar='PX',
        help='boxes are apart beyond this (default: %(default)s)',
    )
    arguments = parser.parse_args(argv)
    return exit_status(lambda: print_agreement(arguments), (ResultError,))


if __name__ == '__main__':
    sys.exit(main())
