"""Masks of targets on a small grid over their box, which move with the box through crops and
flips."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np

from .regions import MaskRegion, run_lengths

#: Cells of a mask along each side of its box.
MASK_CELLS = 64


def resample_box(
    image: np.ndarray, box_xyxy: Sequence[float] | np.ndarray, out_wh: tuple[int, int]
) -> np.ndarray:
    """The part of an image inside a box, resampled bilinearly, zero outside the image.

    Args:
        image: ``(H, W)`` float32 or uint8.
        box_xyxy: ``(4,)`` in its pixels, positive sides; may lie partly outside.
        out_wh: Size of the result.

    Returns:
        ``(out_wh[1], out_wh[0])``.
    """
    x1, y1, x2, y2 = (float(value) for value in box_xyxy)
    scale_x, scale_y = (x2 - x1) / out_wh[0], (y2 - y1) / out_wh[1]
    # OpenCV counts from the centres of pixels.
    inverse = np.array([[scale_x, 0, x1 + scale_x / 2 - 0.5], [0, scale_y, y1 + scale_y / 2 - 0.5]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(
        image, inverse, out_wh, flags=flags, borderMode=cv2.BORDER_CONSTANT, borderValue=0
    )


def paste_in_box(
    grid: np.ndarray, box_xyxy: Sequence[float] | np.ndarray, width: int, height: int
) -> tuple[int, int, np.ndarray]:
    """A grid of values stretched over its box, as far as it lies in the frame.

    Args:
        grid: ``(M, N)`` float32.
        box_xyxy: ``(4,)`` in pixels of the frame.
        width: Of the frame.
        height: Of the frame.

    Returns:
        Left and top pixel of the visible part, and its values ``(h, w)`` float32; empty where the
        box lies outside or has no area.
    """
    x1, y1, x2, y2 = (float(value) for value in box_xyxy)
    if not all(map(math.isfinite, (x1, y1, x2, y2))) or x2 <= x1 or y2 <= y1:
        return 0, 0, np.zeros((0, 0), np.float32)
    left = max(math.floor(x1), 0)
    top = max(math.floor(y1), 0)
    right = min(math.ceil(x2), width)
    bottom = min(math.ceil(y2), height)
    if right <= left or bottom <= top:
        return 0, 0, np.zeros((0, 0), np.float32)
    across, down = grid.shape[1] / (x2 - x1), grid.shape[0] / (y2 - y1)
    window = ((left - x1) * across, (top - y1) * down, (right - x1) * across, (bottom - y1) * down)
    return (
        left,
        top,
        resample_box(np.asarray(grid, np.float32), window, (right - left, bottom - top)),
    )


def grid_from_mask(
    mask: np.ndarray, box_xyxy: Sequence[float] | np.ndarray, cells: int = MASK_CELLS
) -> np.ndarray:
    """A frame's mask ``(H, W)`` on the grid of a box, ``(cells, cells)`` bool."""
    return resample_box(np.asarray(mask, np.float32), box_xyxy, (cells, cells)) >= 0.5


def grid_to_runs(grid: np.ndarray) -> np.ndarray:
    """A square grid as run lengths, row by row, the first of zeros, int32; an empty mask is one
    run."""
    return run_lengths(grid).astype(np.int32)


def runs_to_grid(runs: Sequence[int] | np.ndarray) -> np.ndarray | None:
    """Inverse of :func:`grid_to_runs`; None where there are no runs (no mask is known).

    Raises:
        ValueError: The runs do not fill a square.
    """
    if not len(runs):
        return None
    total = int(np.sum(runs))
    cells = math.isqrt(total)
    if cells * cells != total or min(runs) < 0:
        raise ValueError(f'run lengths of a mask fill a square, got {total} cells')
    return MaskRegion.from_runs([int(run) for run in runs], cells, cells).mask
