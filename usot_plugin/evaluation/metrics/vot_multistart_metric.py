"""Accuracy, robustness and EAO of VOT2020 and later as a metric of MMEngine's evaluator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from usot_plugin.evaluation.functional.region_overlap import region_overlaps
from usot_plugin.evaluation.functional.vot_multistart import (
    FAILURE_OVERLAP,
    GRACE_FRAMES,
    AnchorRun,
    score_multistart,
)
from usot_plugin.evaluation.reports.scores import ScoreCurve, Scores
from usot_plugin.evaluation.results.vot_files import anchor_runs
from usot_plugin.registry import METRICS

from .vot_metric import ALL, VOTMetric, speed

MEASURES = ('frames', 'runs', 'accuracy', 'robustness', 'eao', 'fps')


@METRICS.register_module()
class VOTMultiStartMetric(VOTMetric):
    """Scores results of the protocol ``VOTMultiStart``.

    Gives ``vot/eao``, ``vot/accuracy``, ``vot/robustness`` in [0, 1], higher is better, and
    ``vot/fps``.

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
    returned = {name: name for name in ('eao', 'accuracy', 'robustness', 'fps')}

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
        self.eao_low = eao_low
        self.eao_high = eao_high
        self.threshold = threshold
        self.grace = grace
        if not 1 <= eao_low < eao_high:
            raise ValueError(
                f'an EAO window needs 1 <= eao_low < eao_high, got {eao_low}..{eao_high}'
            )

    def scored(self, sample: Mapping[str, Any]) -> dict[str, Any]:
        """See :meth:`VOTMetric.scored`."""
        annotated, runs = sample['annotated'], []
        for anchor, frames in anchor_runs(sample['name'], sample['anchors']).items():
            if anchor not in sample['runs']:
                raise ValueError(f'no run from the anchor at frame {anchor}')
            regions = [annotated[frame] for frame in frames]
            overlaps = region_overlaps(
                sample['runs'][anchor].entries, regions, sample['size_wh'], self.overlap
            )
            present = np.array([region is not None for region in regions])
            runs.append(
                AnchorRun(np.nan_to_num(overlaps), present)
            )  # nan: pysot's rule where there is no region
        return {'runs': runs, 'frames': len(annotated)}

    def report_of(self, tracker: str, entries: Sequence[dict[str, Any]]) -> Scores:
        """See :meth:`VOTMetric.report_of`."""
        rows = {entry['name']: self._row([entry])[0] for entry in entries}
        total, score = self._row(entries)
        rules = {'overlap': self.overlap, 'EAO window': f'{self.eao_low}..{self.eao_high}'}
        curve = ScoreCurve(np.arange(1.0, len(score.curve) + 1), score.curve)
        return Scores(
            tracker,
            self.dataset_name,
            self.protocol,
            MEASURES,
            rows,
            {ALL: total},
            rules,
            curves={'eao': curve},
            about=self.about,
        )

    def _row(self, entries: Sequence[dict[str, Any]]) -> tuple[dict[str, float], Any]:
        sequences = [entry['runs'] for entry in entries]
        frame_counts = [entry['frames'] for entry in entries]
        score = score_multistart(
            sequences, frame_counts, self.eao_low, self.eao_high, self.threshold, self.grace
        )
        counts = (sum(frame_counts), sum(map(len, sequences)))
        numbers = (*counts, score.accuracy, score.robustness, score.eao, speed(entries))
        return dict(zip(MEASURES, numbers, strict=True)), score
