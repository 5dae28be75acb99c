"""What metrics that end in a :class:`ScoreTable` have in common."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log

from usot_plugin.evaluation.reports.score_table import ScoreTable


class ReportingMetric(BaseMetric):
    """Prints the table of scores, and writes it where a folder is given.

    Args:
        report_dir: Folder for ``<prefix>.json`` and ``<prefix>.md``; None writes none.
        about: Lines for the report (config, checkpoint ...).
        collect_device: See :class:`mmengine.evaluator.BaseMetric`.
        prefix: See :class:`mmengine.evaluator.BaseMetric`.
        collect_dir: See :class:`mmengine.evaluator.BaseMetric`.
    """

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
        self.report: ScoreTable | None = None

    def publish(self, tracker: str, columns: Mapping[str, str], rows: Mapping[str, tuple[float, ...]], legend: str) -> None:
        """Make the report, print it, write it; see :class:`ScoreTable` for the arguments."""
        dataset = (self.dataset_meta or {}).get('dataset_name', 'unknown data')
        self.report = ScoreTable(tracker, dataset, columns, rows, legend, self.about)
        print_log(f'{tracker} on {dataset}\n{self.report.as_text()}', logger='current')
        for path in self.report.write(self.report_dir, str(self.default_prefix)) if self.report_dir is not None else ():
            print_log(f'wrote {path}', logger='current')


def frames_per_second(frames: int, seconds: float) -> float:
    """Speed; nan where the time was not measured."""
    return frames / seconds if seconds > 0 else float('nan')
