"""Region similarity and contour accuracy of video object segmentation as a metric of MMEngine's
evaluator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple
from typing import Any

import numpy as np

from usot_plugin.evaluation.functional.masks import contour_accuracy, region_similarity, statistics
from usot_plugin.evaluation.reports.scores import Scores
from usot_plugin.registry import METRICS

from .reporting import ReportingMetric, frames_per_second

MEASURES = ('j_and_f', 'j_mean', 'j_recall', 'j_decay', 'f_mean', 'f_recall', 'f_decay', 'fps')


@METRICS.register_module()
class VOSMetric(ReportingMetric):
    """J and F of results of the protocol ``VOS``, as the official evaluation of DAVIS gives them.

    Gives ``vos/j_and_f``, ``vos/j_mean``, ``vos/j_recall``, ``vos/j_decay``, the same for ``f``, in
    per cent and averaged over the objects of all sequences, and ``vos/fps``.
    """

    default_prefix = report_stem = 'vos'

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Score sequences, frame by frame.

        Args:
            data_batch: Not used.
            data_samples: One dict a sequence, see :meth:`VOSResults.sample`.
        """
        for sample in data_samples:
            if 'read_predicted' not in sample:
                raise ValueError(
                    f'{sample["name"]}: no result of the protocol VOS (test_cfg.protocol)'
                )
            similarity, accuracy = score_sequence(sample)
            updates = np.asarray(sample['seconds'])[1:]
            rows = {
                f'{sample["name"]}_{label}': astuple(statistics(j)) + astuple(statistics(f))
                for label, j, f in zip(sample['objects'], similarity, accuracy, strict=True)
            }
            self.results.append((sample['tracker'], rows, updates.size, float(updates.sum())))

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Average over objects, print the table, write the report."""
        if not results:
            raise ValueError('VOSMetric has no sequence to score')
        rows = {
            name: _row(values, frames, seconds)
            for _, objects, frames, seconds in results
            for name, values in objects.items()
        }
        objects = [values for _, parts, _, _ in results for values in parts.values()]
        mean = _row(
            np.mean(objects, axis=0),
            sum(entry[2] for entry in results),
            sum(entry[3] for entry in results),
        )
        totals = {'mean of objects': mean}
        self.publish(
            Scores(
                results[0][0], self.dataset_name, 'vos', MEASURES, rows, totals, about=self.about
            )
        )
        return mean


def score_sequence(sample: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """J and F of every object in every frame but the first and the last, each ``(B, T - 2)``; nan
    where a frame has no annotation.

    Raises:
        ValueError: No such frame is annotated, a result has labels that the sequence does not, or
            another size.
    """
    objects = np.asarray(sample['objects'])
    values = np.full((2, len(objects), max(sample['frame_count'] - 2, 0)), np.nan)
    for index in range(1, sample['frame_count'] - 1):
        annotated = sample['read_annotated'](index)
        if annotated is None:
            continue
        predicted = sample['read_predicted'](index)
        where = f'{sample["name"]}, frame {index}'
        if predicted.shape != annotated.shape:
            raise ValueError(
                f'{where}: a result of shape {predicted.shape} for masks of {annotated.shape}'
            )
        strange = np.setdiff1d(predicted, (0, *objects))
        if len(strange):
            raise ValueError(
                f'{where}: the result has labels {strange.tolist()}, the sequence has objects '
                f'{objects.tolist()}'
            )
        masks = [labels[None] == objects[:, None, None] for labels in (predicted, annotated)]
        values[0, :, index - 1], values[1, :, index - 1] = (
            region_similarity(*masks),
            contour_accuracy(*masks),
        )
    if np.isnan(values).all():
        raise ValueError(
            f'{sample["name"]}: no frame between the first and the last is annotated; where a '
            'server keeps the masks, only it can score'
        )
    return values[0], values[1]


def _row(values: Sequence[float] | np.ndarray, frames: int, seconds: float) -> dict[str, float]:
    percent = [100 * float(value) for value in values]
    numbers = ((percent[0] + percent[3]) / 2, *percent, frames_per_second(frames, seconds))
    return dict(zip(MEASURES, numbers, strict=True))
