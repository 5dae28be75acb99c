"""GOT-10k's average overlap and success rates as a metric of MMEngine's evaluator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from usot_plugin.evaluation.functional.average_overlap import OverlapScore, score_overlaps
from usot_plugin.evaluation.reports.scores import Scores
from usot_plugin.registry import METRICS

from .reporting import ReportingMetric, frames_per_second

MEASURES = ('ao', 'sr_50', 'sr_75')
ALL_FRAMES, ALL_SEQUENCES = 'all frames', 'mean of sequences'


@METRICS.register_module()
class GOT10kMetric(ReportingMetric):
    """Average overlap (AO) and success rate (SR) of results of the protocol ``GOT10k``.

    Gives ``got10k/ao``, ``got10k/sr_50``, ``got10k/sr_75`` over all frames as the got10k toolkit
    reports them, the same with ``_sequences`` averaged over sequences, in per cent, and
    ``got10k/fps``. Repetitions count as further frames, as in the toolkit.
    """

    default_prefix = report_stem = 'got10k'

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Score sequences.

        Args:
            data_batch: Not used.
            data_samples: One dict a sequence, see :meth:`GOT10kResults.sample`.
        """
        for sample in data_samples:
            if 'repetitions_xyxy' not in sample:
                raise ValueError(
                    f'{sample["name"]}: no result of the protocol GOT10k (test_cfg.protocol)'
                )
            try:
                score = score_overlaps(
                    sample['repetitions_xyxy'],
                    sample['annotated_xyxy'],
                    sample['size_wh'],
                    sample['origin'],
                )
            except ValueError as error:
                raise ValueError(f'{sample["name"]}: {error}') from error
            updates = np.asarray(sample['seconds'])[:, 1:]
            self.results.append(
                (sample['tracker'], sample['name'], score, updates.size, float(updates.sum()))
            )

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Pool over frames and average over sequences, print the table, write the report."""
        if not results:
            raise ValueError('GOT10kMetric has no sequence to score')
        columns = (*MEASURES, 'fps')
        rows = {
            name: (*_measures(score), frames_per_second(frames, seconds))
            for _, name, score, frames, seconds in results
        }
        means = np.mean([row[:3] for row in rows.values()], axis=0)
        speed = frames_per_second(
            sum(entry[3] for entry in results), sum(entry[4] for entry in results)
        )
        pooled = _measures(OverlapScore(np.concatenate([entry[2].overlaps for entry in results])))
        totals = {ALL_SEQUENCES: (*means.tolist(), speed), ALL_FRAMES: (*pooled, speed)}
        sequences, wholes = (
            {name: dict(zip(columns, row, strict=True)) for name, row in part.items()}
            for part in (rows, totals)
        )
        tracker = results[0][0]
        data = self.dataset_name
        self.publish(Scores(tracker, data, 'got10k', columns, sequences, wholes, about=self.about))
        over_sequences = dict(
            zip((f'{name}_sequences' for name in MEASURES), means.tolist(), strict=True)
        )
        return {**dict(zip(MEASURES, pooled, strict=True)), **over_sequences, 'fps': speed}


def _measures(score: OverlapScore) -> tuple[float, float, float]:
    return (
        100 * score.average_overlap,
        100 * score.success_rate(0.5),
        100 * score.success_rate(0.75),
    )
