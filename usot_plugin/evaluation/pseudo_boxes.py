"""How well pseudo boxes fit annotated ones: Table 5 of the USOT paper, per sequence and in
total."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from ..datasets.boxes.box_sources import track_of_row
from ..datasets.samplers.frame_samplers import QualityFrames
from ..datasets.track import Track
from ..discovery.table.format import KEPT
from ..discovery.table.reading import PseudoBoxRow
from ..structures.boxes import iou

#: Which boxes of a track are held against the annotation.
FRAME_SETS = ('template', 'memory', 'picked', 'all')
THRESHOLDS = (0.3, 0.5)

#: (row, column) -> the paper's (GOT-10k, VID); Table 5, and Sec. 4.3 "Video Utilization Rate" and
#: "Frame Interval".
PAPER = {
    ('template', 0.3): (63.2, 64.4),
    ('template', 0.5): (45.5, 42.1),
    ('memory', 0.3): (62.0, 63.9),
    ('memory', 0.5): (43.8, 42.0),
    ('samplable', None): (50.8, 56.3),
    ('interval', None): (41.1, 64.6),
}


@dataclass(frozen=True)
class SequenceScore:
    """One sequence.

    Attributes:
        name: Of the sequence.
        status: 'kept', 'dropped' or 'skipped'.
        reason: Why it was not kept.
        samplable: Whether training would draw from it.
        quality: ``Q_v`` of the best track; nan without one.
        frames: For each frame set, how many boxes had an annotated target to be held against.
        success: For each frame set and threshold, ``'template@0.3'``, the share with a higher IoU;
            nan where there was none.
        mean_iou: For each frame set.
        interval: Mean ``T_u - T_l`` at the template frames, in frames: how far apart the frames of
            a group can lie, as the paper counts it; nan where not samplable.
    """

    name: str
    status: str
    reason: str
    samplable: bool
    quality: float
    frames: dict[str, int]
    success: dict[str, float]
    mean_iou: dict[str, float]
    interval: float

    def flat(self) -> dict[str, object]:
        """One level of plain values, for a CSV row."""
        values = asdict(self)
        for name in ('frames', 'success', 'mean_iou'):
            values.update({f'{name}_{key}': value for key, value in values.pop(name).items()})
        return values


def score_sequence(
    name: str,
    rows: Sequence[PseudoBoxRow],
    truth_xyxy: np.ndarray,
    draws: int = 200,
    sampler: QualityFrames | None = None,
    seed: int = 0,
) -> SequenceScore:
    """Hold the tracks of one sequence against its annotation.

    'picked' and 'all' look at every kept track, 'template' and 'memory' at the frames that training
    draws from the samplable ones. A frame without an annotated target is left out.

    Args:
        name: Of the sequence.
        rows: Its rows of the pseudo-box table, at least one.
        truth_xyxy: ``(T, 4)`` annotated boxes, nan where the target is absent; ``(K, T, 4)`` of
            ``K`` objects, of which the one counts that overlaps most, frame by frame.
        draws: Training groups drawn from each samplable track.
        sampler: How they are drawn.
        seed: Of the draws; a sequence is drawn from alike whatever the others are.
    """
    random = np.random.default_rng([seed, *name.encode()])
    sampler = sampler or QualityFrames()
    overlaps: dict[str, list[np.ndarray]] = {key: [np.empty(0)] for key in FRAME_SETS}
    intervals: list[int] = []
    kept = sorted(
        (row for row in rows if row.status == KEPT),
        key=lambda row: -row.track.sequence_quality if row.track else 0.0,
    )
    for row in kept:
        track = track_of_row(row)
        assert row.track is not None
        picked = np.flatnonzero(row.track.picked) + track.first_frame
        chosen = {'all': track.usable_frames(), 'picked': picked}
        if row.samplable:
            groups = [sampler.draw(track, random, 'cycle') for _ in range(draws)]
            chosen['template'] = np.array([group['template'][0] for group in groups])
            chosen['memory'] = np.array([frame for group in groups for frame in group['memory']])
            passages = [track.fragment(group['template'][0]) for group in groups]
            intervals += [last - first for first, last in passages]
        for key, frames in chosen.items():
            overlaps[key].append(_overlaps(track, frames, truth_xyxy))
    joined = {key: np.concatenate(parts) for key, parts in overlaps.items()}
    head = (kept or list(rows))[0]
    return SequenceScore(
        name=name,
        status=head.status,
        reason=head.reason,
        samplable=any(row.samplable for row in kept),
        quality=head.track.sequence_quality if head.track is not None else float('nan'),
        frames={key: len(values) for key, values in joined.items()},
        success={
            f'{key}@{level}': _mean(values > level)
            for key, values in joined.items()
            for level in THRESHOLDS
        },
        mean_iou={key: _mean(values) for key, values in joined.items()},
        interval=_mean(intervals),
    )


def _overlaps(track: Track, frames: np.ndarray, truth_xyxy: np.ndarray) -> np.ndarray:
    assert track.boxes_xyxy is not None
    truths = truth_xyxy[None] if truth_xyxy.ndim == 2 else truth_xyxy
    frames = frames[frames < truths.shape[1]]
    values = iou(
        np.asarray(track.boxes_xyxy, np.float64)[None, frames - track.first_frame],
        truths[:, frames],
    )
    best = np.where(np.isfinite(values), values, -1.0).max(axis=0, initial=-1.0)
    return best[best >= 0]


def _mean(values: Sequence | np.ndarray) -> float:
    return float(np.mean(values)) if len(values) else float('nan')


def total_scores(scores: Sequence[SequenceScore]) -> dict[str, float]:
    """Means over sequences, so that each counts alike whatever its length.

    Returns:
        ``kept`` and ``samplable`` as shares of all sequences; ``template@0.3`` ... and
        ``template_mean_iou`` ... over the sequences that have such frames; ``interval`` over the
        samplable ones. nan where there is none.
    """
    total = {
        'kept': _mean([score.status == KEPT for score in scores]),
        'samplable': _mean([score.samplable for score in scores]),
    }
    for key in FRAME_SETS:
        for level in THRESHOLDS:
            total[f'{key}@{level}'] = _finite_mean(
                [score.success[f'{key}@{level}'] for score in scores]
            )
        total[f'{key}_mean_iou'] = _finite_mean([score.mean_iou[key] for score in scores])
    total['interval'] = _finite_mean([score.interval for score in scores])
    return total


def _finite_mean(values: Sequence[float]) -> float:
    return _mean([value for value in values if np.isfinite(value)])


def format_scores(scores: Sequence[SequenceScore], total: Mapping[str, float]) -> str:
    """The per-sequence and the total table as text, the paper's numbers beside."""
    width = max([8, *(len(score.name) for score in scores)])
    head = (
        f'{"sequence":{width}s}  {"status":8s}  Q_v    '
        + '  '.join(f'{f"{key} .3/.5":>14s}' for key in FRAME_SETS)
        + '  interval'
    )
    lines = [head, '-' * len(head)]
    for score in sorted(scores, key=lambda score: score.name):
        rates = [
            f'{_percent(score.success[f"{key}@0.3"])} / {_percent(score.success[f"{key}@0.5"])}'
            for key in FRAME_SETS
        ]
        status = score.status if score.status != KEPT or score.samplable else 'kept (-)'
        values = '  '.join(f'{rate:>14s}' for rate in rates)
        head = f'{score.name:{width}s}  {status:8s}  {_number(score.quality)}'
        line = f'{head}   {values}  {_number(score.interval, 8, 1)}'
        lines.append(line + (f'  {score.reason}' if score.reason else ''))
    lines += ['', f'{"total (mean over sequences)":50s}  {"here":>7s}   paper GOT-10k / VID']
    for label, value, paper in _total_rows(total):
        lines.append(
            f'{label:50s}  {value:>7s}   '
            + (f'{paper[0]:5.1f} / {paper[1]:4.1f}' if paper else '').rstrip()
        )
    lines += ['', 'kept (-) = kept, but not good enough to be sampled']
    return '\n'.join(line.rstrip() for line in lines)


def _total_rows(total: Mapping[str, float]) -> list[tuple[str, str, tuple[float, float] | None]]:
    sets = {
        'template': 'template frames of samplable videos',
        'memory': 'memory frames of samplable videos',
    }
    sets |= {'picked': 'picked frames of kept videos', 'all': 'all frames of kept videos'}
    rows: list[tuple[str, str, tuple[float, float] | None]] = [
        ('videos kept, %', _percent(total['kept']), None),
        (
            'videos good enough to be sampled, %',
            _percent(total['samplable']),
            PAPER['samplable', None],
        ),
    ]
    for key, label in sets.items():
        rows += [
            (
                f'{label}, IoU > {level}, %',
                _percent(total[f'{key}@{level}']),
                PAPER.get((key, level)),
            )
            for level in THRESHOLDS
        ]
        rows.append((f'{label}, mean IoU', _number(total[f'{key}_mean_iou'], 5), None))
    rows.append(
        (
            'frame interval T_u - T_l at template frames',
            _number(total['interval'], 5, 1),
            PAPER['interval', None],
        )
    )
    return rows


def _percent(share: float) -> str:
    return f'{100 * share:5.1f}' if np.isfinite(share) else '    -'


def _number(value: float, width: int = 4, digits: int = 2) -> str:
    return f'{value:{width}.{digits}f}' if np.isfinite(value) else f'{"-":>{width}s}'
