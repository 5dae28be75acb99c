"""CPU time of VOT's overlaps and measures.

    usot measure-vot --sequences 10

Random boxes against rotated rectangles, by each overlap rule, by filling polygons with OpenCV, and
by the official toolkit where it is installed; then accuracy, robustness and EAO of random runs by
each style.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import cv2
import numpy as np

from usot_plugin.evaluation.functional.region_overlap import OVERLAP_RULES, region_overlaps
from usot_plugin.evaluation.functional.vot_reset import STYLES, ResetRun, score_reset
from usot_plugin.structures.regions import BoxRegion, FrameCode, PolygonRegion, format_region
from usot_plugin.utils.cli import exit_status, tool_parser

SIZE_WH = (640, 480)
#: Lengths of VOT2018's sequences: from, to.
SEQUENCE_FRAMES = (41, 1500)


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = tool_parser(__doc__)
    parser.add_argument('--frames', type=int, default=2000, help='pairs of regions')
    parser.add_argument('--sequences', type=int, default=60, help='sequences of random runs')
    parser.add_argument('--repetitions', type=int, default=15, help='runs of each')
    return parser.parse_args(argv)


def random_pairs(
    random: np.random.Generator, count: int
) -> tuple[list[BoxRegion], list[PolygonRegion]]:
    """Predicted boxes near annotated rotated rectangles of 40 to 160 pixels."""
    predicted, annotated = [], []
    for _ in range(count):
        angle, (w, h) = random.uniform(-0.7, 0.7), random.uniform(40, 160, 2)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        corners = np.array([[-w, -h], [w, -h], [w, h], [-w, h]]) / 2 @ turn.T + random.uniform(
            100, 400, 2
        )
        annotated.append(PolygonRegion(corners))
        predicted.append(BoxRegion(annotated[-1].box_xyxy + random.uniform(-9, 9, 4)))
    return predicted, annotated


def random_run(random: np.random.Generator, frames: int) -> ResetRun:
    """A run that fails every 2 to 400 frames."""
    codes, start = np.full(frames, -1), 0
    while start < frames:
        codes[start] = FrameCode.INITIALISATION
        failure = start + int(random.integers(2, 400))
        codes[failure : failure + 5] = [FrameCode.FAILURE, *4 * [FrameCode.UNKNOWN]][
            : max(frames - failure, 0)
        ]
        start = failure + 5
    return ResetRun(random.uniform(0, 1, frames), codes)


def filled_overlaps(
    predicted: Sequence[BoxRegion], annotated: Sequence[PolygonRegion]
) -> np.ndarray:
    """Overlaps by drawing both regions into whole frames with OpenCV, ``(T,)``."""
    overlaps = []
    for a, b in zip(predicted, annotated, strict=True):
        drawn = np.zeros((SIZE_WH[1], SIZE_WH[0]), np.uint8)
        cv2.fillPoly(drawn, [np.round(b.points_xy).astype(np.int32)], 1)
        box = a.to_mask(*SIZE_WH)
        overlaps.append((box & (drawn > 0)).sum() / (box | (drawn > 0)).sum())
    return np.array(overlaps)


def seconds_of(call: Callable[..., Any], *arguments: Any) -> float:
    """CPU time of one call, which other work on the machine changes little."""
    start = time.process_time()
    call(*arguments)
    return time.process_time() - start


def measure(args: argparse.Namespace) -> None:
    """Print one line for each thing that is timed.

    Raises:
        ValueError: A count below 1.
    """
    if min(args.frames, args.sequences, args.repetitions) < 1:
        raise ValueError(
            f'counts are at least 1, got {args.frames}, {args.sequences} and {args.repetitions}'
        )
    random = np.random.default_rng(0)
    predicted, annotated = random_pairs(random, args.frames)
    for rule in OVERLAP_RULES:
        region_overlaps(predicted[:1], annotated[:1], SIZE_WH, rule)
        seconds = seconds_of(region_overlaps, predicted, annotated, SIZE_WH, rule)
        print(f'{rule:<10}{1e6 * seconds / args.frames:8.1f} us/frame')
    seconds = seconds_of(filled_overlaps, predicted, annotated)
    print(f'{"fillPoly":<10}{1e6 * seconds / args.frames:8.1f} us/frame')
    if importlib.util.find_spec('vot') is not None:
        from vot.region.io import parse_region
        from vot.region.raster import calculate_overlaps

        pairs = [
            [parse_region(format_region(region)) for region in side]
            for side in (predicted, annotated)
        ]
        calculate_overlaps(pairs[0][:1], pairs[1][:1], SIZE_WH)  # compiles
        seconds = seconds_of(calculate_overlaps, *pairs, SIZE_WH)
        print(f'{"official":<10}{1e6 * seconds / args.frames:8.1f} us/frame')
    lengths = random.integers(*SEQUENCE_FRAMES, args.sequences).tolist()
    runs = [[random_run(random, length) for _ in range(args.repetitions)] for length in lengths]
    for style in STYLES:
        seconds = seconds_of(score_reset, runs, 100, 356, style)
        print(
            f'{style:<10}{seconds:8.2f} s for A, R and EAO of {args.sequences} sequences x '
            f'{args.repetitions} runs'
        )


def main(argv: list[str] | None = None) -> int:
    """Run; returns the exit status."""
    args = parse_args(argv)
    return exit_status(lambda: measure(args))


if __name__ == '__main__':
    sys.exit(main())
