"""What metrics that end in :class:`Scores` have in common."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log

from usot_plugin.evaluation.reports.scores import Scores


class ReportingMetric(BaseMetric):
    """Prints the table of scores, and writes it where a folder is given.

    Args:
        report_dir: Folder for ``<report_stem>.json`` and ``<report_stem>.md``; None writes none.
        about: Lines for the report (config, checkpoint ...).
        collect_device: See :class:`mmengine.evaluator.BaseMetric`.
        prefix: See :class:`mmengine.evaluator.BaseMetric`.
        collect_dir: See :class:`mmengine.evaluator.BaseMetric`.
    """

    #: Stem of the files of the report.
    report_stem = 'report'

    def __init__(
        self,
        report_dir: str | Path | None = None,
        about: Mapping[str, Any] | None = None,
        collect_device: str = 'cpu',
        prefix: str | None = None,
        collect_dir: str | None = None,
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix, collect_dir=collect_dir)
        self.report_dir = Path(report_dir) if report_dir is not None else None
        self.about = dict(about or {})
        #: The last evaluation.
        self.report: Scores | None = None

    @property
    def dataset_name(self) -> str:
        """Name of the data, for the report."""
        return (self.dataset_meta or {}).get('dataset_name', 'unknown data')

    def publish(self, scores: Scores) -> None:
        """Keep the scores, print their table, write them."""
        self.report = scores
        print_log(f'{scores.tracker} on {scores.title}\n{scores.as_text()}', logger='current')
        if self.report_dir is not None:
            for path in scores.write(self.report_dir, self.report_stem):
                print_log(f'wrote {path}', logger='current')


def frames_per_second(frames: int, seconds: float) -> float:
    """Speed; nan where the time was not measured."""
    return frames / seconds if seconds > 0 else float('nan')
