"""What the metrics of VOT's two protocols share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from usot_plugin.evaluation.functional.region_overlap import OVERLAP_RULES
from usot_plugin.evaluation.reports.scores import Scores
from usot_plugin.utils.config import nearest

from .reporting import ReportingMetric, frames_per_second

ALL = 'all'


class VOTMetric(ReportingMetric):
    """Scores results of one of VOT's protocols, one tracker at a time.

    Args:
        overlap: Rule of :func:`region_overlaps`.
        **kwargs: See :class:`ReportingMetric`; the report is ``report.json`` and ``report.md``.

    Raises:
        ValueError: An unknown overlap rule.
    """

    default_prefix = 'vot'
    #: Protocol whose results are scored.
    protocol: str
    #: Returned numbers, and their names in the report where these differ.
    returned: Mapping[str, str]

    def __init__(self, overlap: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.overlap = checked_key('overlap', overlap, OVERLAP_RULES)

    @abstractmethod
    def scored(self, sample: Mapping[str, Any]) -> dict[str, Any]:
        """What :meth:`report_of` needs of one sequence. A ValueError says what is wrong with it."""

    @abstractmethod
    def report_of(self, tracker: str, entries: Sequence[dict[str, Any]]) -> Scores:
        """The report on all sequences."""

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Compute the overlaps of sequences.

        Args:
            data_batch: Not used.
            data_samples: One dict a sequence, see :meth:`VOTResults.sample`.

        Raises:
            ValueError: Results of another protocol, or that do not fit the sequence.
        """
        for sample in data_samples:
            made_by = sample.get('protocol')
            if made_by != self.protocol:
                raise ValueError(
                    f'{sample["name"]}: {type(self).__name__} scores results of {self.protocol}, '
                    f'got {made_by or "others"}'
                )
            try:
                entry = self.scored(sample)
            except ValueError as error:
                raise ValueError(f'{sample["name"]}: {error}') from error
            updates, seconds = zip(
                *(run.updates_and_seconds() for run in sample['runs'].values()), strict=True
            )
            entry.update(
                name=sample['name'],
                tracker=sample['tracker'],
                updates=sum(updates),
                seconds=sum(seconds),
            )
            self.results.append(entry)

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Score all sequences, print the tables, write the report."""
        if not results:
            raise ValueError(f'{type(self).__name__} has no sequence to score')
        trackers = sorted({entry['tracker'] for entry in results})
        if len(trackers) > 1:
            raise ValueError(
                f'results of {len(trackers)} trackers in one evaluation: {", ".join(trackers)}'
            )
        report = self.report_of(trackers[0], results)
        self.publish(report)
        return {name: report.total[measure] for name, measure in self.returned.items()}


def checked_key(argument: str, value: str, known: Sequence[str]) -> str:
    """``value``, if it is one of ``known``.

    Raises:
        ValueError: It is not; the nearest one is named.
    """
    if value not in known:
        raise ValueError(
            f'unknown {argument} '
            f'{value!r}{nearest(str(value), known) or "; known are " + ", ".join(known)}'
        )
    return value


def speed(entries: Sequence[Mapping[str, Any]]) -> float:
    """Updates per second, all updates over all their time; nan where no time is known."""
    return frames_per_second(
        sum(entry['updates'] for entry in entries), sum(entry['seconds'] for entry in entries)
    )
