"""Accuracy, robustness and EAO of VOT2020 and later as a metric of MMEngine's evaluator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from usot_plugin.evaluation.functional.region_overlap import region_overlaps
from usot_plugin.evaluation.functional.vot_multistart import FAILURE_OVERLAP, GRACE_FRAMES, AnchorRun, score_multistart
from usot_plugin.evaluation.reports.score_table import own_row
from usot_plugin.evaluation.reports.vot_report import VOTReport
from usot_plugin.evaluation.results.vot_files import anchor_runs
from usot_plugin.registry import METRICS

from .vot_metric import ALL, VOTMetric, speed

COLUMNS = {'frames': '{:.0f}', 'runs': '{:.0f}', 'accuracy': '{:.3f}', 'robustness': '{:.3f}', 'EAO': '{:.3f}', 'fps': '{:.1f}'}
LEGEND = (
    'accuracy: mean overlap before the failures. robustness: share of the runs before the failures. EAO: expected average overlap. '
    'fps: updates over their time, decoding excluded.'
)


@METRICS.register_module()
class VOTMultiStartMetric(VOTMetric):
    """Scores results of the protocol ``VOTMultiStart``.

    Gives ``vot/eao``, ``vot/accuracy``, ``vot/robustness`` in [0, 1], higher is better, and ``vot/fps``.

    Args:
        eao_low: First length of the EAO's window (115 in VOT2020-2022).
        eao_high: Length of the curve, where the window ends (755).
        threshold: Overlap at or below which a frame is a miss.
        grace: Misses in a row that make a failure.
        overlap: Rule of :func:`region_overlaps`; masks are counted in pixels by each.
        report_dir: Folder for ``report.json`` and ``report.md``; None writes none.
        about: Lines for the report (config, checkpoint ...).
        **kwargs: See :class:`ReportingMetric`.

    Raises:
        ValueError: An option has no meaning.
    """

    protocol = 'vot_multistart'

    def __init__(
        self,
        eao_low: int = 115,
        eao_high: int = 755,
        threshold: float = FAILURE_OVERLAP,
        grace: int = GRACE_FRAMES,
        overlap: str = 'toolkit',
        report_dir: str | Path | None = None,
        about: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(overlap, report_dir=report_dir, about=about, **kwargs)
        self.eao_low, self.eao_high, self.threshold, self.grace = eao_low, eao_high, threshold, grace
        if not 1 <= eao_low < eao_high:
            raise ValueError(f'an EAO window needs 1 <= eao_low < eao_high, got {eao_low}..{eao_high}')

    def scored(self, sample: Mapping[str, Any]) -> dict[str, Any]:
        """See :meth:`VOTMetric.scored`."""
        annotated, runs = sample['annotated'], []
        for anchor, frames in anchor_runs(sample['name'], sample['anchors']).items():
            if anchor not in sample['runs']:
                raise ValueError(f'no run from the anchor at frame {anchor}')
            regions = [annotated[frame] for frame in frames]
            overlaps = region_overlaps(sample['runs'][anchor].entries, regions, sample['size_wh'], self.overlap)
            present = np.array([region is not None for region in regions])
            runs.append(AnchorRun(np.nan_to_num(overlaps), present))  # nan: pysot's rule where there is no region
        return {'runs': runs, 'frames': len(annotated)}

    def report_of(self, tracker: str, dataset: str, entries: Sequence[dict[str, Any]]) -> VOTReport:
        """See :meth:`VOTMetric.report_of`."""
        rows = {own_row(entry['name'], (ALL,)): self._row([entry])[0] for entry in entries}
        rows[ALL], score = self._row(entries)
        numbers = {'eao': score.eao, 'accuracy': score.accuracy, 'robustness': score.robustness, 'fps': speed(entries)}
        low, high = self.eao_low, self.eao_high
        about = {'protocol': self.protocol, 'overlap': self.overlap, 'EAO window': f'{low}..{high}', **self.about}
        return VOTReport(tracker, dataset, COLUMNS, rows, LEGEND, about, numbers, score.curve, (low, high))

    def _row(self, entries: Sequence[dict[str, Any]]) -> tuple[tuple[float, ...], Any]:
        sequences, frame_counts = [entry['runs'] for entry in entries], [entry['frames'] for entry in entries]
        score = score_multistart(sequences, frame_counts, self.eao_low, self.eao_high, self.threshold, self.grace)
        return (sum(frame_counts), sum(map(len, sequences)), score.accuracy, score.robustness, score.eao, speed(entries)), score
