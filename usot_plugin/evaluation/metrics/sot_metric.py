"""The one-pass measures as a metric of MMEngine's evaluator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np

from usot_plugin.evaluation.functional.one_pass import (
    CONVENTIONS,
    NORMALISED_THRESHOLDS,
    PRECISION_THRESHOLDS_PX,
    SUCCESS_THRESHOLDS,
    OnePassScore,
    mean_score,
    score_one_pass,
)
from usot_plugin.evaluation.reports.scores import ScoreCurve, Scores
from usot_plugin.registry import METRICS
from usot_plugin.structures.boxes import is_valid

from .reporting import ReportingMetric, frames_per_second

#: Protocols whose results this metric can score.
KNOWN_METRICS = ('OPE',)
#: Key of each curve, its thresholds, and where the score has it.
CURVES = {
    'success': (SUCCESS_THRESHOLDS, 'success'),
    'precision': (PRECISION_THRESHOLDS_PX, 'precision'),
    'norm_precision': (NORMALISED_THRESHOLDS, 'normalised_precision'),
}
MEASURES = ('auc', 'precision_20px', 'norm_precision_0.2', 'norm_precision_auc', 'fps')


@dataclass(frozen=True)
class ScoredSequence:
    """Score of one sequence.

    Attributes:
        name: Name of the sequence.
        score: Its curves.
        frames: Number of updates, that is frames but the first.
        seconds: Time of all updates; nan where it was not measured.
        attributes: The sequence's attributes.
        frame_scores: Score over the frames of each attribute that is annotated frame by frame, and
            how many there are.
    """

    name: str
    score: OnePassScore
    frames: int
    seconds: float
    attributes: tuple[str, ...] = ()
    frame_scores: Mapping[str, tuple[OnePassScore, int]] = field(default_factory=dict)


@METRICS.register_module()
class SOTMetric(ReportingMetric):
    """Success, precision and normalised precision of single-object tracking.

    Gives ``sot/success`` (AUC), ``sot/precision`` (20 px), ``sot/norm_precision`` (at 0.20, as
    pysot and MMTracking), ``sot/norm_precision_auc`` (over 0..0.5, as the got10k toolkit and
    TrackingNet), in per cent, and ``sot/fps``.

    Args:
        metrics: Rule book of the results: ``'OPE'``.
        convention: Key of :data:`usot_plugin.evaluation.functional.CONVENTIONS`; by default the one
            that the data set names in its ``metainfo``, that is its own leaderboard's.
        report_dir: Folder for ``report.json`` and ``report.md``; None writes none.
        about: Lines for the report (config, checkpoint ...).
        collect_device: See :class:`mmengine.evaluator.BaseMetric`.
        prefix: See :class:`mmengine.evaluator.BaseMetric`.

    Raises:
        ValueError: An unknown rule book or convention.
    """

    default_prefix = 'sot'

    def __init__(
        self,
        metrics: str | Sequence[str] = 'OPE',
        convention: str | None = None,
        report_dir: str | Path | None = None,
        about: Mapping[str, Any] | None = None,
        collect_device: str = 'cpu',
        prefix: str | None = None,
        collect_dir: str | None = None,
    ) -> None:
        super().__init__(report_dir, about, collect_device, prefix, collect_dir)
        self.metrics = [metrics] if isinstance(metrics, str) else list(metrics)
        for metric in self.metrics:
            if metric not in KNOWN_METRICS:
                raise ValueError(
                    f'metric {metric!r} is not known to SOTMetric; known are '
                    f'{", ".join(KNOWN_METRICS)}'
                )
        if convention is not None:
            _check_convention(convention)
        self.convention = convention

    def used_convention(self) -> str:
        """Key of the convention: asked for, or the data set's own."""
        convention = self.convention or (self.dataset_meta or {}).get('convention', 'got10k')
        _check_convention(convention)
        return convention

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Score sequences.

        Args:
            data_batch: Not used.
            data_samples: One dict a sequence: ``name``, ``tracker``, ``boxes_xyxy`` (T, 4)
                predicted, ``annotated_xyxy`` (T, 4), ``seconds`` (T,), and where the benchmark has
                them ``attributes`` and ``frame_attributes`` (see
                :class:`~usot_plugin.datasets.benchmarks.AnnotatedSequence`).
        """
        if (self.dataset_meta or {}).get('first_box_only'):
            raise ValueError(
                'only the first boxes of this data set are public: its server scores results '
                '(test_evaluator SubmissionOnly)'
            )
        for sample in data_samples:
            if 'boxes_xyxy' not in sample:
                raise ValueError(
                    f'{sample["name"]}: no result of the protocol OPE (test_cfg.protocol)'
                )
            try:
                self.results.append((sample['tracker'], self._score(sample)))
            except ValueError as error:
                raise ValueError(f'{sample["name"]}: {error}') from error

    def _score(self, sample: Mapping[str, Any]) -> ScoredSequence:
        convention = self.used_convention()
        predicted = sample['boxes_xyxy']
        annotated = sample['annotated_xyxy']
        updates = sample['seconds'][1:]
        by_attribute = {}
        for name, flags in sample.get('frame_attributes', {}).items():
            # Frames without annotation say nothing about a tracker, whatever the convention counts
            # them for.
            frames = np.asarray(flags, bool) & is_valid(annotated)
            if frames.any():
                by_attribute[name] = (
                    score_one_pass(predicted, annotated, convention, frames),
                    int(frames.sum()),
                )
        score = score_one_pass(predicted, annotated, convention)
        attributes = tuple(sample.get('attributes', ()))
        return ScoredSequence(
            sample['name'], score, len(updates), float(updates.sum()), attributes, by_attribute
        )

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Average over sequences, print the table, write the report."""
        if not results:
            raise ValueError('SOTMetric has no sequence to score')
        scores = self._scores(results[0][0], [entry for _, entry in results])
        self.publish(scores)
        names = ('success', 'precision', 'norm_precision', 'norm_precision_auc', 'fps')
        return {name: scores.total[measure] for name, measure in zip(names, MEASURES, strict=True)}

    def _scores(self, tracker: str, entries: Sequence[ScoredSequence]) -> Scores:
        """The report on all sequences. Speed is all frames over all seconds."""
        mean = mean_score([entry.score for entry in entries])
        attributes, members = _attributes(entries)
        curves = {}
        for name, (thresholds, key) in CURVES.items():
            parts = {entry.name: getattr(entry.score, key) for entry in entries}
            curves[name] = ScoreCurve(thresholds, getattr(mean, key), parts)
        return Scores(
            tracker,
            self.dataset_name,
            'one_pass',
            MEASURES,
            {entry.name: _timed_row(entry.score, entry.frames, entry.seconds) for entry in entries},
            {
                'mean': _timed_row(
                    mean, sum(e.frames for e in entries), sum(e.seconds for e in entries)
                )
            },
            {'convention': self.used_convention()},
            attributes,
            members,
            curves,
            self.about,
        )


def _timed_row(score: OnePassScore, frames: int, seconds: float) -> dict[str, float]:
    speed = {'fps': frames_per_second(frames, seconds), 'frames': frames, 'seconds': seconds}
    return {**_row(score), **speed}


def _row(score: OnePassScore) -> dict[str, float]:
    values = (
        score.auc,
        score.precision_at_20px,
        score.normalised_precision_at_020,
        score.normalised_precision_auc,
    )
    return {name: 100 * value for name, value in zip(MEASURES, values, strict=False)}


def _attributes(
    entries: Sequence[ScoredSequence],
) -> tuple[dict[str, dict[str, float]], dict[str, list[str]]]:
    """Mean over the sequences of each attribute, and their names.

    Attributes of frames are called ``<attribute> (frames)``; the mean is over the sequences with
    such frames, of the scores on these frames alone.
    """
    found: dict[str, list[tuple[str, OnePassScore, int]]] = {}
    for entry in entries:
        for name in entry.attributes:
            found.setdefault(name, []).append((entry.name, entry.score, 0))
    for entry in entries:
        for name, (score, frames) in entry.frame_scores.items():
            found.setdefault(f'{name} (frames)', []).append((entry.name, score, frames))
    rows = {}
    for name, group in found.items():
        rows[name] = {**_row(mean_score([score for _, score, _ in group])), 'sequences': len(group)}
        frames = sum(count for _, _, count in group)
        if frames:
            rows[name]['frames'] = frames
    return rows, {name: [sequence for sequence, _, _ in group] for name, group in found.items()}


def _check_convention(name: str) -> None:
    if name not in CONVENTIONS:
        near = get_close_matches(name, CONVENTIONS, 1)
        raise ValueError(
            f'unknown convention {name!r}'
            + (f', did you mean {near[0]!r}?' if near else f'; known are {", ".join(CONVENTIONS)}')
        )
