"""Accuracy, robustness and EAO of VOT2015-2019 as a metric of MMEngine's evaluator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from usot_plugin.evaluation.functional.region_overlap import region_overlaps
from usot_plugin.evaluation.functional.vot_reset import STYLES, ResetRun, check_window, score_attribute, score_reset
from usot_plugin.evaluation.reports.score_table import ScoreTable, own_row
from usot_plugin.evaluation.reports.vot_report import VOTReport
from usot_plugin.evaluation.results.vot_files import VOTRun
from usot_plugin.registry import METRICS

from .vot_metric import ALL, VOTMetric, checked_key, speed

COLUMNS = {
    'frames': '{:.0f}',
    'runs': '{:.0f}',
    'accuracy': '{:.3f}',
    'failures': '{:.2f}',
    'per 100': '{:.3f}',
    'EAO': '{:.3f}',
    'fps': '{:.1f}',
}
ATTRIBUTE_COLUMNS = {'frames': '{:.0f}', 'accuracy': '{:.3f}', 'failures': '{:.2f}', 'EAO': '{:.3f}'}
LEGEND = (
    'accuracy: mean overlap, ten frames after each start left out. failures: of one run, on average over repetitions. per 100: failures in '
    '100 frames, the robustness that pysot quotes. EAO: expected average overlap. fps: updates over their time, decoding excluded.'
)
ATTRIBUTE_LEGEND = 'Frames with an attribute. The EAO weighs each fragment by its share of such frames; none: frames without any attribute.'
NO_ATTRIBUTE = 'none'


@METRICS.register_module()
class VOTResetMetric(VOTMetric):
    """Scores results of the protocol ``VOTReset``.

    Gives ``vot/eao``, ``vot/accuracy``, ``vot/robustness`` (failures in 100 frames, as pysot), ``vot/failures`` (lost number),
    ``vot/failures_per_sequence`` and ``vot/reliability`` (as the official toolkit) and ``vot/fps``.

    Args:
        eao_low: First length of the EAO's window as published (VOT2016 108, VOT2017/18 100, VOT2019 46).
        eao_high: Last length (371, 356, 291).
        style: ``pysot``, what published figures of SiamRPN, CycleSiam and USOT are made with, or ``toolkit``, the official one.
        overlap: ``pysot``, ``toolkit`` or ``exact``; by default the style's own.
        report_dir: Folder for ``report.json`` and ``report.md``; None writes none.
        about: Lines for the report (config, checkpoint ...).
        **kwargs: See :class:`ReportingMetric`.

    Raises:
        ValueError: An option has no meaning.
    """

    protocol = 'vot_reset'

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
        runs = [self._run(run, sample['annotated'], sample['size_wh']) for run in sample['runs'].values()]
        attributes = {name: np.asarray(flags, bool) for name, flags in sample['frame_attributes'].items()}
        return {'runs': runs, 'attributes': attributes}

    def _run(self, run: VOTRun, annotated: Sequence, size_wh: tuple[int, int]) -> ResetRun:
        overlaps = region_overlaps(run.entries, annotated, size_wh, self.overlap)
        if self.style == self.overlap == 'pysot':
            # pysot bounds by (W, H) for the accuracy and by (W - 1, H - 1) for the EAO.
            inner = (size_wh[0] - 1, size_wh[1] - 1)
            return ResetRun(overlaps, run.codes, region_overlaps(run.entries, annotated, inner, self.overlap))
        return ResetRun(overlaps, run.codes)

    def report_of(self, tracker: str, dataset: str, entries: Sequence[dict[str, Any]]) -> VOTReport:
        """See :meth:`VOTMetric.report_of`."""
        rows = {own_row(entry['name'], (ALL,)): self._row([entry])[0] for entry in entries}
        rows[ALL], score = self._row(entries)
        numbers = {
            'eao': score.eao,
            'accuracy': score.accuracy,
            'robustness': score.robustness,
            'failures': score.failures,
            'failures_per_sequence': score.failures_per_sequence,
            'reliability': score.reliability,
            'fps': speed(entries),
        }
        about = {'protocol': self.protocol, 'style': self.style, 'overlap': self.overlap, **self.about}
        about['EAO window'] = f'{self.eao_low}..{self.eao_high}'
        attributes = self._attribute_table(tracker, dataset, entries)
        window = (self.eao_low, self.eao_high)
        return VOTReport(tracker, dataset, COLUMNS, rows, LEGEND, about, numbers, score.curve, window, attributes)

    def _row(self, entries: Sequence[dict[str, Any]]) -> tuple[tuple[float, ...], Any]:
        sequences = [entry['runs'] for entry in entries]
        score = score_reset(sequences, self.eao_low, self.eao_high, self.style)
        frames, runs = (sum(values) for values in zip(*((len(group[0].codes), len(group)) for group in sequences), strict=True))
        return (frames, runs, score.accuracy, score.failures, score.robustness, score.eao, speed(entries)), score

    def _attribute_table(self, tracker: str, dataset: str, entries: Sequence[dict[str, Any]]) -> ScoreTable | None:
        names = list(dict.fromkeys(name for entry in entries for name in entry['attributes']))
        if not names:
            return None
        nowhere = [np.zeros(len(entry['runs'][0].codes), bool) for entry in entries]
        flags = {name: [entry['attributes'].get(name, empty) for entry, empty in zip(entries, nowhere, strict=True)] for name in names}
        any_flag = [np.any([flags[name][index] for name in names], axis=0) for index in range(len(entries))]
        flags[NO_ATTRIBUTE] = [~flag for flag in any_flag]
        rows = {}
        for name, per_sequence in flags.items():
            score = score_attribute([entry['runs'] for entry in entries], per_sequence, self.eao_low, self.eao_high, self.style)
            rows[name] = (score.frames, score.accuracy, score.failures, score.eao)
        return ScoreTable(tracker, f'{dataset}, by frame attribute', ATTRIBUTE_COLUMNS, rows, ATTRIBUTE_LEGEND)
