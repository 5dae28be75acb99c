"""Accuracy, robustness and EAO of VOT2015-2019 as a metric of MMEngine's evaluator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from usot_plugin.evaluation.functional.region_overlap import region_overlaps
from usot_plugin.evaluation.functional.vot_reset import (
    STYLES,
    ResetRun,
    check_window,
    score_attribute,
    score_reset,
)
from usot_plugin.evaluation.reports.scores import Row, ScoreCurve, Scores
from usot_plugin.evaluation.results.vot_files import VOTRun
from usot_plugin.registry import METRICS

from .vot_metric import ALL, VOTMetric, checked_key, speed

MEASURES = ('frames', 'runs', 'accuracy', 'failures', 'failures_per_100', 'eao', 'fps')
NO_ATTRIBUTE = 'none'


@METRICS.register_module()
class VOTResetMetric(VOTMetric):
    """Scores results of the protocol ``VOTReset``.

    Gives ``vot/eao``, ``vot/accuracy``, ``vot/robustness`` (failures in 100 frames, as pysot),
    ``vot/failures`` (lost number), ``vot/failures_per_sequence`` and ``vot/reliability`` (as the
    official toolkit) and ``vot/fps``.

    Args:
        eao_low: First length of the EAO's window as published (VOT2016 108, VOT2017/18 100, VOT2019
            46).
        eao_high: Last length (371, 356, 291).
        style: ``pysot``, what published figures of SiamRPN, CycleSiam and USOT are made with, or
            ``toolkit``, the official one.
        overlap: ``pysot``, ``toolkit`` or ``exact``; by default the style's own.
        report_dir: Folder for ``report.json`` and ``report.md``; None writes none.
        about: Lines for the report (config, checkpoint ...).
        **kwargs: See :class:`ReportingMetric`.

    Raises:
        ValueError: An option has no meaning.
    """

    protocol = 'vot_reset'
    returned = {
        'eao': 'eao',
        'accuracy': 'accuracy',
        'robustness': 'failures_per_100',
        'failures': 'failures',
        'failures_per_sequence': 'failures_per_sequence',
        'reliability': 'reliability',
        'fps': 'fps',
    }

    def __init__(
        self,
        eao_low: int,
        eao_high: int,
        style: str = 'pysot',
        overlap: str | None = None,
        report_dir: str | Path | None = None,
        about: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        self.style = checked_key('style', style, STYLES)
        super().__init__(overlap or style, report_dir=report_dir, about=about, **kwargs)
        check_window(eao_low, eao_high)
        self.eao_low, self.eao_high = eao_low, eao_high

    def scored(self, sample: Mapping[str, Any]) -> dict[str, Any]:
        """See :meth:`VOTMetric.scored`."""
        runs = [
            self._run(run, sample['annotated'], sample['size_wh'])
            for run in sample['runs'].values()
        ]
        attributes = {
            name: np.asarray(flags, bool) for name, flags in sample['frame_attributes'].items()
        }
        return {'runs': runs, 'attributes': attributes}

    def _run(self, run: VOTRun, annotated: Sequence, size_wh: tuple[int, int]) -> ResetRun:
        overlaps = region_overlaps(run.entries, annotated, size_wh, self.overlap)
        if self.style == self.overlap == 'pysot':
            # pysot bounds by (W, H) for the accuracy and by (W - 1, H - 1) for the EAO.
            inner = (size_wh[0] - 1, size_wh[1] - 1)
            return ResetRun(
                overlaps, run.codes, region_overlaps(run.entries, annotated, inner, self.overlap)
            )
        return ResetRun(overlaps, run.codes)

    def report_of(self, tracker: str, entries: Sequence[dict[str, Any]]) -> Scores:
        """See :meth:`VOTMetric.report_of`."""
        rows = {entry['name']: self._row([entry])[0] for entry in entries}
        total, score = self._row(entries)
        total |= {
            'failures_per_sequence': score.failures_per_sequence,
            'reliability': score.reliability,
        }
        window = f'{self.eao_low}..{self.eao_high}'
        attributes, members = self._attributes(entries)
        curve = ScoreCurve(np.arange(1.0, len(score.curve) + 1), score.curve)
        return Scores(
            tracker,
            self.dataset_name,
            self.protocol,
            MEASURES,
            rows,
            {ALL: total},
            {'style': self.style, 'overlap': self.overlap, 'EAO window': window},
            attributes,
            members,
            {'eao': curve},
            self.about,
        )

    def _row(self, entries: Sequence[dict[str, Any]]) -> tuple[dict[str, float], Any]:
        sequences = [entry['runs'] for entry in entries]
        score = score_reset(sequences, self.eao_low, self.eao_high, self.style)
        counts = [(len(group[0].codes), len(group)) for group in sequences]
        frames, runs = (sum(values) for values in zip(*counts, strict=True))
        numbers = (score.accuracy, score.failures, score.robustness, score.eao, speed(entries))
        return dict(zip(MEASURES, (frames, runs, *numbers), strict=True)), score

    def _attributes(
        self, entries: Sequence[dict[str, Any]]
    ) -> tuple[dict[str, Row], dict[str, list[str]]]:
        """Row of each attribute, and the sequences with frames of it."""
        names = list(dict.fromkeys(name for entry in entries for name in entry['attributes']))
        if not names:
            return {}, {}
        nowhere = [np.zeros(len(entry['runs'][0].codes), bool) for entry in entries]
        flags = {
            name: [
                entry['attributes'].get(name, empty)
                for entry, empty in zip(entries, nowhere, strict=True)
            ]
            for name in names
        }
        any_flag = [
            np.any([flags[name][index] for name in names], axis=0) for index in range(len(entries))
        ]
        flags[NO_ATTRIBUTE] = [~flag for flag in any_flag]
        runs = [entry['runs'] for entry in entries]
        rows: dict[str, Row] = {}
        members = {}
        for name, per_sequence in flags.items():
            score = score_attribute(runs, per_sequence, self.eao_low, self.eao_high, self.style)
            members[name] = [
                entry['name']
                for entry, flag in zip(entries, per_sequence, strict=True)
                if flag.any()
            ]
            rows[name] = {
                'sequences': len(members[name]),
                'frames': score.frames,
                'accuracy': score.accuracy,
                'failures': score.failures,
                'eao': score.eao,
            }
        return rows, members
