"""Polygons as pixels, by the scan-line rule of the VOT toolkits.

A vertex names a pixel, not a corner: the polygon ``(0, 0), (9, 0), (9, 9), (0, 9)`` covers ten by
ten pixels.
"""

from __future__ import annotations

import numpy as np


def polygon_spans(
    points_xy: np.ndarray, rows: np.ndarray, horizontal_edges: bool = True, pair_last: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """Pixels of polygons on pixel rows, many rows at once.

    Args:
        points_xy: ``(R, N, 2)`` float64 with whole values: for each row the ``N`` vertices of its
            polygon.
        rows: ``(R,)`` the pixel row, in the same coordinates.
        horizontal_edges: A horizontal edge that lies on the row gives a crossing, too (VOT toolkit;
            not in pysot).
        pair_last: Two equal crossings at the end of a row are a pixel (VOT toolkit); otherwise they
            are one crossing (pysot).

    Returns:
        First and last column of each span, two ``(R, N // 2)`` int64; empty where the last is left
        of the first. Spans of a row are sorted and share no pixel.
    """
    crossings, count = _crossings(points_xy, rows, horizontal_edges)
    total = crossings.shape[1]
    firsts = np.zeros((len(rows), max(total // 2, 1)), np.int64)
    lasts = np.full_like(firsts, -1)
    pending = np.zeros(len(rows), np.int64)
    found = np.zeros(len(rows), np.int64)
    covered = np.full(len(rows), np.iinfo(np.int64).min)
    for k in range(total - 1):
        turn = (pending == k) & (k < count - 1)
        repeated = turn & (crossings[:, k] == crossings[:, k + 1])
        if pair_last:
            repeated &= k < count - 2
        pending[repeated] += 1
        filled = np.flatnonzero(turn & ~repeated)
        pending[filled] += 2
        first = np.maximum(crossings[filled, k], covered[filled] + 1)
        last = crossings[filled, k + 1]
        firsts[filled, found[filled]], lasts[filled, found[filled]] = first, last
        covered[filled] = last
        found[filled] += 1
    empty = lasts < firsts
    firsts[empty], lasts[empty] = 0, -1
    return firsts, lasts


def clip_spans(
    firsts: np.ndarray, lasts: np.ndarray, width: np.ndarray | int
) -> tuple[np.ndarray, np.ndarray]:
    """Spans cut to the columns ``0 .. width - 1``; ``width`` is a number or ``(R, 1)``."""
    return np.maximum(firsts, 0), np.minimum(lasts, width - 1)


def spans_to_mask(firsts: np.ndarray, lasts: np.ndarray, width: int) -> np.ndarray:
    """Spans of ``R`` consecutive rows as ``(R, width)`` bool."""
    firsts, lasts = clip_spans(firsts, lasts, width)
    columns = np.arange(width)
    mask = np.zeros((len(firsts), width), bool)
    for first, last in zip(firsts.T, lasts.T, strict=True):
        mask |= (columns >= first[:, None]) & (columns <= last[:, None])
    return mask


def rasterise_polygon(points_xy: np.ndarray, width: int, height: int) -> np.ndarray:
    """One polygon ``(N, 2)`` in a frame as ``(height, width)`` bool, as the VOT toolkit does:
    single precision, half to even."""
    points = np.round(np.asarray(points_xy, np.float32)).astype(np.float64)
    rows = np.arange(height)
    return spans_to_mask(
        *polygon_spans(np.broadcast_to(points, (height, *points.shape)), rows), width
    )


def _crossings(
    points_xy: np.ndarray, rows: np.ndarray, horizontal_edges: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Sorted columns ``(R, N)`` where edges meet the rows, ends of edges included, and how many of
    them count."""
    x, y = points_xy[..., 0], points_xy[..., 1]
    x_before = np.roll(x, 1, axis=1)
    y_before = np.roll(y, 1, axis=1)
    rise = y_before - y
    row = rows[:, None]
    meets = (np.minimum(y, y_before) <= row) & (row <= np.maximum(y, y_before))
    if not horizontal_edges:
        meets &= rise != 0
    safe_rise = np.where(rise == 0, 1, rise)
    # The order of operations and the cut towards zero are the toolkits'; another one moves single
    # pixels.
    columns = np.trunc(x + np.where(rise == 0, 0, (row - y) / safe_rise) * (x_before - x)).astype(
        np.int64
    )
    columns[~meets] = np.iinfo(np.int64).max
    return np.sort(columns, axis=1), meets.sum(1)
