"""The metric of benchmarks whose annotation is kept by a server."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log

from usot_plugin.registry import METRICS


@METRICS.register_module()
class SubmissionOnly(BaseMetric):
    """Says that there is nothing to score: of GOT-10k's and TrackingNet's test sets only the first
    boxes are public.

    Gives ``submission/sequences``, the number of finished sequences.
    """

    default_prefix = 'submission'

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Count sequences.

        Args:
            data_batch: Not used.
            data_samples: One dict a sequence, with its ``name``.
        """
        self.results += [sample['name'] for sample in data_samples]

    def compute_metrics(self, results: list) -> dict[str, float]:
        """The number of sequences."""
        dataset = (self.dataset_meta or {}).get('dataset_name', 'this data set')
        print_log(
            f'{dataset}: results of {len(results)} sequences are written; its server scores '
            'them, nobody else can',
            logger='current',
        )
        return {'sequences': len(results)}
