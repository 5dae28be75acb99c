"""The one-pass measures as a metric of MMEngine's evaluator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log

from usot_plugin.evaluation.functional.one_pass import CONVENTIONS, score_one_pass
from usot_plugin.evaluation.reports.one_pass_report import FrameScore, OnePassReport, SequenceReport
from usot_plugin.registry import METRICS
from usot_plugin.structures.boxes import is_valid

#: Protocols whose results this metric can score.
KNOWN_METRICS = ('OPE',)


@METRICS.register_module()
class SOTMetric(BaseMetric):
    """Success, precision and normalised precision of single-object tracking.

    Gives ``sot/success`` (AUC), ``sot/precision`` (20 px), ``sot/norm_precision`` (at 0.20, as pysot and MMTracking),
    ``sot/norm_precision_auc`` (over 0..0.5, as the got10k toolkit and TrackingNet), in per cent, and ``sot/fps``.

    Args:
        metrics: Rule book of the results: ``'OPE'``.
        convention: Key of :data:`usot_plugin.evaluation.functional.CONVENTIONS`; by default the one that the data set names in its
            ``metainfo``, that is its own leaderboard's.
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
        super().__init__(collect_device=collect_device, prefix=prefix, collect_dir=collect_dir)
        self.metrics = [metrics] if isinstance(metrics, str) else list(metrics)
        for metric in self.metrics:
            if metric not in KNOWN_METRICS:
                raise ValueError(f'metric {metric!r} is not known to SOTMetric; known are {", ".join(KNOWN_METRICS)}')
        if convention is not None:
            _check_convention(convention)
        self.convention = convention
        self.report_dir = Path(report_dir) if report_dir is not None else None
        self.about = dict(about or {})
        #: The last evaluation, for whoever wants to plot it.
        self.report: OnePassReport | None = None

    def used_convention(self) -> str:
        """Key of the convention: asked for, or the data set's own."""
        convention = self.convention or (self.dataset_meta or {}).get('convention', 'got10k')
        _check_convention(convention)
        return convention

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Score sequences.

        Args:
            data_batch: Not used.
            data_samples: One dict a sequence: ``name``, ``tracker``, ``boxes_xyxy`` (T, 4) predicted, ``annotated_xyxy`` (T, 4),
                ``seconds`` (T,), and where the benchmark has them ``attributes`` and ``frame_attributes`` (see
                :class:`~usot_plugin.datasets.benchmarks.AnnotatedSequence`).
        """
        if (self.dataset_meta or {}).get('first_box_only'):
            raise ValueError('only the first boxes of this data set are public: its server scores results (test_evaluator SubmissionOnly)')
        for sample in data_samples:
            if 'boxes_xyxy' not in sample:
                raise ValueError(f'{sample["name"]}: no result of the protocol OPE (test_cfg.protocol)')
            try:
                self.results.append((sample['tracker'], self._score(sample)))
            except ValueError as error:
                raise ValueError(f'{sample["name"]}: {error}') from error

    def _score(self, sample: Mapping[str, Any]) -> SequenceReport:
        convention = self.used_convention()
        predicted, annotated, updates = sample['boxes_xyxy'], sample['annotated_xyxy'], sample['seconds'][1:]
        by_attribute = {}
        for name, flags in sample.get('frame_attributes', {}).items():
            # Frames without annotation say nothing about a tracker, whatever the convention counts them for.
            frames = np.asarray(flags, bool) & is_valid(annotated)
            if frames.any():
                by_attribute[name] = FrameScore(score_one_pass(predicted, annotated, convention, frames), int(frames.sum()))
        score = score_one_pass(predicted, annotated, convention)
        attributes = tuple(sample.get('attributes', ()))
        return SequenceReport(sample['name'], score, len(updates), float(updates.sum()), attributes, by_attribute)

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Average over sequences, print the table, write the report."""
        if not results:
            raise ValueError('SOTMetric has no sequence to score')
        dataset = (self.dataset_meta or {}).get('dataset_name', 'unknown data')
        self.report = OnePassReport([entry for _, entry in results], results[0][0], dataset, self.used_convention(), self.about)
        print_log(f'{self.report.tracker} on {dataset} ({self.report.convention} convention)\n{self.report.as_text()}', logger='current')
        if self.report_dir is not None:
            for path in self.report.write(self.report_dir):
                print_log(f'wrote {path}', logger='current')
        mean = self.report.rows()['mean']
        names = ('success', 'precision', 'norm_precision', 'norm_precision_auc', 'fps')
        return dict(zip(names, mean.values(), strict=True))


def _check_convention(name: str) -> None:
    if name not in CONVENTIONS:
        near = get_close_matches(name, CONVENTIONS, 1)
        raise ValueError(
            f'unknown convention {name!r}' + (f', did you mean {near[0]!r}?' if near else f'; known are {", ".join(CONVENTIONS)}')
        )
