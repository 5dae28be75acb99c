"""What both expected-overlap curves of VOT have in common: running means over many fragments at
once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def pad_rows(rows: Sequence[np.ndarray], length: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of different lengths as ``(F, length)`` with zeros behind their ends (longer ones are
    cut), and their lengths ``(F,)``."""
    padded = np.zeros((len(rows), length))
    for index, row in enumerate(rows):
        padded[index, : len(row)] = row[:length]
    return padded, np.array([len(row) for row in rows], np.int64)


def sums_after_start(overlaps: np.ndarray) -> np.ndarray:
    """Sum of each row's overlaps from its second frame to each frame, ``(F, L)``; the frame of the
    start counts nothing."""
    return np.cumsum(overlaps, axis=1) - overlaps[:, :1]


def weighted_mean(values: np.ndarray, weights: np.ndarray, empty: float) -> np.ndarray:
    """Mean of the rows of ``(F, L)`` at each column; ``empty`` where all weights are 0."""
    total = weights.sum(0)
    return np.where(total > 0, (values * weights).sum(0) / np.where(total > 0, total, 1), empty)
