"""Accuracy, robustness and expected average overlap (EAO) of VOT's reset protocol, VOT2015-2019.

Two toolkits are in use and differ in nearly every detail; a style names one. ``pysot`` is what the
figures of SiamRPN, CycleSiam and USOT were made with, ``toolkit`` the official Python toolkit.

Reference:
    VOT2015 (Kristan et al., ICCVW 2015), Sec. 3; the differences are listed in
    ``docs/protocols.md``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from usot_plugin.structures.regions import FrameCode

from .expected_overlap import pad_rows, sums_after_start, weighted_mean

Style = Literal['pysot', 'toolkit']
STYLES: tuple[str, ...] = get_args(Style)
#: Frames after a start that do not count for the accuracy.
BURN_IN_FRAMES = 10
#: Frames from a failure to the next start.
SKIP_FRAMES = 5
#: Frames over which the toolkit's reliability asks for no failure.
SENSITIVITY_FRAMES = 30


@dataclass(frozen=True, eq=False)
class ResetRun:
    """One run over one sequence.

    Attributes:
        overlaps: ``(T,)`` with the annotation; whatever stands in frames without a region is not
            used.
        codes: ``(T,)`` int, :class:`FrameCode`; negative where there is a region.
        eao_overlaps: ``(T,)`` for the EAO, where other bounds are used there (pysot); the same by
            default.

    Raises:
        ValueError: Different lengths, no frame, or the first frame is no start.
    """

    overlaps: np.ndarray
    codes: np.ndarray
    eao_overlaps: np.ndarray | None = None

    def __post_init__(self) -> None:
        if len(self.overlaps) != len(self.codes) or not len(self.codes):
            raise ValueError(f'{len(self.overlaps)} overlaps for {len(self.codes)} frames')
        if self.codes[0] != FrameCode.INITIALISATION:
            raise ValueError('a run begins with a start (code 1)')

    @property
    def failures(self) -> np.ndarray:
        """Frames of the failures."""
        return np.flatnonzero(self.codes == FrameCode.FAILURE)

    @property
    def starts(self) -> np.ndarray:
        """Frames of the starts."""
        return np.flatnonzero(self.codes == FrameCode.INITIALISATION)

    def counted(self, burn_in: int = BURN_IN_FRAMES) -> np.ndarray:
        """Frames that count for the accuracy, ``(T,)`` bool: with a region, and ``burn_in`` or more
        frames after the last start."""
        frames = np.arange(len(self.codes))
        last_start = np.maximum.accumulate(
            np.where(self.codes == FrameCode.INITIALISATION, frames, 0)
        )
        return (self.codes < 0) & (frames - last_start >= burn_in)

    def for_eao(self) -> np.ndarray:
        """Overlaps ``(T,)`` for the EAO, 0 where there is no region or no overlap is known."""
        overlaps = self.overlaps if self.eao_overlaps is None else self.eao_overlaps
        return np.where(self.codes < 0, np.nan_to_num(overlaps), 0.0)


@dataclass(frozen=True, eq=False)
class ResetScore:
    """Scores of some sequences.

    Attributes:
        accuracy: Mean overlap while tracking; nan where no frame counts.
        failures: Failures in one run over all sequences (pysot's lost number).
        failures_per_sequence: The same weighted by the lengths of the sequences, as the toolkit
            quotes it.
        robustness: Failures in 100 frames, as pysot quotes it.
        reliability: The toolkit's ``exp(-S failures / frames)``: the share of trackers that survive
            ``S`` frames.
        eao: Mean of the curve over the window; nan where no sequence is that long.
        curve: ``(L,)`` expected average overlap of fragments of each length.
    """

    accuracy: float
    failures: float
    failures_per_sequence: float
    robustness: float
    reliability: float
    eao: float
    curve: np.ndarray


def score_reset(
    sequences: Sequence[Sequence[ResetRun]], low: int, high: int, style: str = 'pysot'
) -> ResetScore:
    """Score the runs of sequences.

    Args:
        sequences: For each sequence its repetitions.
        low: First length of the EAO's window, as the benchmark publishes it.
        high: Last length.
        style: One of :data:`STYLES`.

    Raises:
        ValueError: There is nothing to score, an unknown style, or a window without a length.
    """
    check_window(low, high)
    if style not in STYLES:
        raise ValueError(f'unknown style {style!r}; known are {", ".join(STYLES)}')
    if not sequences or not all(sequences):
        raise ValueError('no run to score')
    lengths = np.array([len(runs[0].codes) for runs in sequences], np.float64)
    counts = np.array([np.mean([len(run.failures) for run in runs]) for runs in sequences])
    per_sequence = float((counts * lengths).sum() / lengths.sum())
    curve = eao_curve(sequences, style)
    return ResetScore(
        accuracy=(_pooled_accuracy if style == 'pysot' else _mean_accuracy)(sequences, lengths),
        failures=float(counts.sum()),
        failures_per_sequence=per_sequence,
        robustness=float(100 * counts.sum() / lengths.sum()),
        reliability=float(np.exp(-SENSITIVITY_FRAMES * per_sequence / lengths.mean())),
        eao=eao_of_curve(curve, low, high, style),
        curve=curve,
    )


def check_window(low: int, high: int) -> None:
    """Refuse an EAO window without a length.

    Raises:
        ValueError: ``low`` is not in ``1 .. high``.
    """
    if not 1 <= low <= high:
        raise ValueError(f'an EAO window needs 1 <= low <= high, got {low}..{high}')


def eao_of_curve(curve: np.ndarray, low: int, high: int, style: str = 'pysot') -> float:
    """EAO: mean of the curve over ``low - 1 .. high - 1`` (pysot) or ``low ..

    high`` (toolkit), both ends included.

    Lengths that no fragment has (nan) are left out by pysot.
    """
    window = curve[low - 1 : high] if style == 'pysot' else curve[low : high + 1]
    known = window[~np.isnan(window)] if style == 'pysot' else window
    return float(known.mean()) if len(known) else float('nan')


def eao_curve(
    sequences: Sequence[Sequence[ResetRun]],
    style: str = 'pysot',
    flags: Sequence[np.ndarray] | None = None,
) -> np.ndarray:
    """Expected average overlap over the length of a fragment, ``(L,)``.

    A fragment runs from a start to the next failure, and counts with 0 from there on, or to the end
    of the sequence, and then drops out.

    Args:
        sequences: For each sequence its repetitions.
        style: One of :data:`STYLES`.
        flags: ``(T,)`` bool of each sequence: fragments are weighted by the share of their frames
            that have the attribute.

    Returns:
        Entry ``n`` is the mean overlap of the ``n`` frames that follow a start.
    """
    fragments, failed, weights = [], [], []
    for index, runs in enumerate(sequences):
        flag = np.ones(len(runs[0].codes), bool) if flags is None else flags[index]
        for run in runs:
            for frames, lost, weight in (
                _pysot_fragments if style == 'pysot' else _toolkit_fragments
            )(run, flag):
                fragments.append(run.for_eao()[frames])
                failed.append(lost)
                weights.append(weight)
    length = (
        max(len(runs[0].codes) for runs in sequences)
        if style == 'pysot'
        else max(map(len, fragments))
    )
    overlaps, ends = pad_rows(fragments, length)
    columns = np.arange(length)
    alive = np.array(failed)[:, None] | (columns < ends[:, None])
    means = sums_after_start(overlaps) / np.maximum(columns, 1)
    curve = weighted_mean(means, alive * np.array(weights)[:, None], np.nan)
    if style == 'pysot':
        curve[~alive.any(0)] = 0  # behind the last fragment; a curve of the toolkit ends there
    curve[0] = 1.0 if style == 'pysot' else 0.0
    return curve


def _pysot_fragments(run: ResetRun, flag: np.ndarray) -> list[tuple[slice, bool, float]]:
    """Frames, whether it ends with a failure, and weight of each fragment.

    A failure in the last frames is none, as it has no successor."""
    count = len(run.codes)
    points = [
        0,
        *(int(frame) + SKIP_FRAMES for frame in run.failures if frame + SKIP_FRAMES <= count),
    ]
    fragments = []
    for start, following in zip(points, points[1:], strict=False):
        weight = flag[start : following + 1].sum() / (following - start + 1)
        fragments.append((slice(start, following), True, float(weight)))
    if points[-1] < count:
        fragments.append((slice(points[-1], count), False, float(flag[points[-1] :].mean())))
    return fragments


def _toolkit_fragments(run: ResetRun, flag: np.ndarray) -> list[tuple[slice, bool, float]]:
    starts, failures = run.starts, run.failures
    ends = [*failures, len(run.codes)][: len(starts)]
    return [
        (slice(start, end), index < len(failures), float(flag[start:end].mean()))
        for index, (start, end) in enumerate(zip(starts, ends, strict=True))
    ]


def _pooled_accuracy(sequences: Sequence[Sequence[ResetRun]], lengths: np.ndarray) -> float:
    """Mean over frames of the mean over repetitions; frames count alike wherever they are."""
    frames = []
    for runs in sequences:
        counted = np.array([run.counted() & ~np.isnan(run.overlaps) for run in runs])
        total = np.where(counted, [run.overlaps for run in runs], 0).sum(0)
        seen = counted.any(0)
        frames.append(total[seen] / counted.sum(0)[seen])
    pooled = np.concatenate(frames)
    return float(pooled.mean()) if len(pooled) else float('nan')


def _mean_accuracy(sequences: Sequence[Sequence[ResetRun]], lengths: np.ndarray) -> float:
    """Mean over frames of a run, over runs, over sequences by length; a run without a frame that
    counts is 0."""
    means = [
        np.mean(
            [run.overlaps[run.counted()].mean() if run.counted().any() else 0.0 for run in runs]
        )
        for runs in sequences
    ]
    return float((np.array(means) * lengths).sum() / lengths.sum())


@dataclass(frozen=True)
class AttributeScore:
    """Scores on the frames with an attribute.

    Attributes:
        frames: Number of frames.
        accuracy: Mean overlap on those that count; nan where none does.
        failures: Failures on them in one run over all sequences.
        eao: EAO with each fragment weighted by its share of such frames.
    """

    frames: int
    accuracy: float
    failures: float
    eao: float


def score_attribute(
    sequences: Sequence[Sequence[ResetRun]],
    flags: Sequence[np.ndarray],
    low: int,
    high: int,
    style: str = 'pysot',
) -> AttributeScore:
    """Score the frames with an attribute, ``flags`` ``(T,)`` bool of each sequence; see
    :class:`AttributeScore`."""
    values = [
        run.overlaps[run.counted() & flag & ~np.isnan(run.overlaps)]
        for runs, flag in zip(sequences, flags, strict=True)
        for run in runs
    ]
    pooled = np.concatenate(values)
    failures = sum(
        float(np.mean([flag[run.failures].sum() for run in runs]))
        for runs, flag in zip(sequences, flags, strict=True)
    )
    curve = eao_curve(sequences, style, flags)
    accuracy = float(pooled.mean()) if len(pooled) else float('nan')
    return AttributeScore(
        int(sum(flag.sum() for flag in flags)),
        accuracy,
        failures,
        eao_of_curve(curve, low, high, style),
    )
