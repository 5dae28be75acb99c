"""Accuracy, robustness and expected average overlap (EAO) of VOT's multi-start protocol, VOT2020
and later.

Reference:
    VOT2020 (Kristan et al., ECCVW 2020), Sec. 2.2, in the version of the official toolkit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .expected_overlap import pad_rows, sums_after_start, weighted_mean

#: Overlap at or below which a frame is a miss.
FAILURE_OVERLAP = 0.1
#: Misses in a row that make a failure.
GRACE_FRAMES = 10


@dataclass(frozen=True, eq=False)
class AnchorRun:
    """One run from an anchor.

    Attributes:
        overlaps: ``(T,)`` in the order of the run; the start is 0, as the toolkit has it.
        present: ``(T,)`` bool, the target is annotated.

    Raises:
        ValueError: Different lengths, no frame, or an overlap that is nan.
    """

    overlaps: np.ndarray
    present: np.ndarray

    def __post_init__(self) -> None:
        if len(self.overlaps) != len(self.present) or not len(self.overlaps):
            raise ValueError(f'{len(self.overlaps)} overlaps for {len(self.present)} frames')
        if np.isnan(self.overlaps).any():
            raise ValueError(f'overlap of frame {int(np.isnan(self.overlaps).argmax())} is nan')

    def progress(self, threshold: float = FAILURE_OVERLAP, grace: int = GRACE_FRAMES) -> int:
        """Frames until the failure, all where there is none: the first of ``grace`` misses in a
        row, frames with a target only."""
        missed = np.cumsum(np.concatenate([[0], (self.overlaps <= threshold) & self.present]))
        failures = (
            np.flatnonzero(missed[grace:] - missed[:-grace] == grace)
            if len(missed) > grace
            else np.zeros(0)
        )
        return int(failures[0]) if len(failures) else len(self.overlaps)


@dataclass(frozen=True, eq=False)
class MultiStartScore:
    """Scores of some sequences.

    Attributes:
        accuracy: Mean overlap before the failures.
        robustness: Share of the runs' frames before the failures.
        eao: Mean of the curve over the window.
        curve: ``(high,)`` expected average overlap over the length of a run.
    """

    accuracy: float
    robustness: float
    eao: float
    curve: np.ndarray


def score_multistart(
    sequences: Sequence[Sequence[AnchorRun]],
    frame_counts: Sequence[int],
    low: int = 115,
    high: int = 755,
    threshold: float = FAILURE_OVERLAP,
    grace: int = GRACE_FRAMES,
) -> MultiStartScore:
    """Score the runs of sequences.

    Args:
        sequences: For each sequence the runs from its anchors.
        frame_counts: Length of each sequence.
        low: First length of the EAO's window.
        high: Length of the curve; the window ends with the curve.
        threshold: Overlap at or below which a frame is a miss.
        grace: Misses in a row that make a failure.

    Raises:
        ValueError: There is nothing to score, or an option has no meaning.
    """
    if not 1 <= low < high:
        raise ValueError(f'an EAO window needs 1 <= low < high, got {low}..{high}')
    if grace < 1 or not 0 <= threshold < 1:
        raise ValueError(
            f'grace is at least 1 and threshold in [0, 1), got {grace} and {threshold}'
        )
    if not sequences or not all(sequences):
        raise ValueError('no run to score')
    if len(frame_counts) != len(sequences):
        raise ValueError(f'{len(frame_counts)} lengths for {len(sequences)} sequences')
    covered, progress, total = np.array([_sums(runs, threshold, grace) for runs in sequences]).T
    frames = np.array(frame_counts, np.float64)
    # A sequence counts for the robustness by its length, and for the accuracy by how far its runs
    # came.
    robustness = float((progress / total * frames).sum() / frames.sum())
    accuracy = float(covered.sum() / progress.sum()) if progress.sum() else 0.0
    curve = eao_curve([run for runs in sequences for run in runs], high, threshold, grace)
    return MultiStartScore(accuracy, robustness, float(curve[low:].mean()), curve)


def eao_curve(
    runs: Sequence[AnchorRun],
    length: int = 755,
    threshold: float = FAILURE_OVERLAP,
    grace: int = GRACE_FRAMES,
) -> np.ndarray:
    """Expected average overlap over the length of a run, ``(length,)``; 0 at the start and where no
    run is left.

    Overlaps after a failure are 0. A run without a failure drops out behind its end; one with a
    failure goes on with the sum of its overlaps over ``j - 1`` at frame ``j``, while inside the run
    it is the sum over ``j``; the toolkit has it so.
    """
    reached = [run.progress(threshold, grace) for run in runs]
    cut = [
        np.where(np.arange(len(run.overlaps)) < count, run.overlaps, 0)
        for run, count in zip(runs, reached, strict=True)
    ]
    failed = np.array([count < len(run.overlaps) for run, count in zip(runs, reached, strict=True)])
    overlaps, ends = pad_rows(cut, max(length, max(map(len, cut))))
    columns = np.arange(length)
    inside = columns < ends[:, None]
    means = sums_after_start(overlaps)[:, :length] / np.maximum(columns - ~inside, 1)
    curve = weighted_mean(means, (inside | failed[:, None]).astype(np.float64), 0.0)
    curve[0] = 0
    return curve


def _sums(runs: Sequence[AnchorRun], threshold: float, grace: int) -> tuple[float, float, float]:
    """Sum of overlaps before the failures, frames before the failures, frames of the runs."""
    reached = [run.progress(threshold, grace) for run in runs]
    covered = sum(
        float(run.overlaps[:count].sum()) for run, count in zip(runs, reached, strict=True)
    )
    return covered, float(sum(reached)), float(sum(len(run.overlaps) for run in runs))
