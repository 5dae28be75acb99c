"""Scores of the official DAVIS evaluation for random masks: the golden numbers that our own
measures are compared with.

``python tools/analysis/davis_official_scores.py --evaluation DAVIS2017-EVALUATION --out
tests/golden/davis/official.npz``

``--evaluation`` is a clone of github.com/davisvideochallenge/davis2017-evaluation; it is on no
package index. Needs scikit-image.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import cv2
import numpy as np

from usot_plugin.utils.cli import exit_status, tool_parser

FRAMES = 19
SIZES_HW = ((60, 80), (97, 41))


def random_masks(random: np.random.Generator, size_hw: tuple[int, int]) -> np.ndarray:
    """Ellipses that may leave the image, ``(T, H, W)`` bool; some frames are empty."""
    masks = np.zeros((FRAMES, *size_hw), np.uint8)
    for mask in masks:
        for _ in range(random.integers(0, 4)):
            centre, axes = random.integers(-5, max(size_hw), 2), random.integers(1, 25, 2)
            cv2.ellipse(
                mask,
                tuple(map(int, centre)),
                tuple(map(int, axes)),
                float(random.uniform(0, 180)),
                0,
                360,
                1,
                -1,
            )
    return masks > 0


def pair_of_masks(seed: int, size_hw: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Predicted and annotated masks: some equal, some near, some unrelated, some empty on one side
    or on both."""
    random = np.random.default_rng(seed)
    predicted, annotated = random_masks(random, size_hw), random_masks(random, size_hw)
    predicted[::3] = np.roll(annotated[::3], (2, 3), (1, 2))
    predicted[1] = annotated[1]
    predicted[[5, 7]], annotated[[5, 8]] = False, False
    return predicted, annotated


def run(args: argparse.Namespace) -> None:
    """Make the masks, score them, store both."""
    if not (args.evaluation / 'davis2017' / 'metrics.py').is_file():
        raise ValueError(f'{args.evaluation}: no davis2017/metrics.py in it')
    sys.path.insert(0, str(args.evaluation))
    from davis2017.metrics import db_eval_boundary, db_eval_iou
    from davis2017.utils import db_statistics

    arrays: dict[str, np.ndarray] = {}
    for seed, size_hw in enumerate(SIZES_HW):
        predicted, annotated = pair_of_masks(seed, size_hw)
        measures = {
            'j': db_eval_iou(annotated, predicted),
            'f': db_eval_boundary(annotated, predicted),
        }
        arrays |= {f'{seed}/predicted': predicted, f'{seed}/annotated': annotated}
        for name, values in measures.items():
            arrays |= {
                f'{seed}/{name}': values,
                f'{seed}/{name}_statistics': np.array(db_statistics(values)),
            }
    np.savez_compressed(args.out, **arrays)
    print(f'wrote {args.out}: {len(SIZES_HW)} x {FRAMES} pairs of masks')


def main(argv: list[str] | None = None) -> int:
    """Run the tool; returns its exit status."""
    parser = tool_parser(__doc__)
    parser.add_argument(
        '--evaluation',
        type=Path,
        required=True,
        metavar='DIR',
        help='clone of davis2017-evaluation',
    )
    parser.add_argument('--out', type=Path, required=True, metavar='NPZ', help='archive to write')
    return exit_status(lambda: run(parser.parse_args(argv)), (ImportError,))


if __name__ == '__main__':
    sys.exit(main())
