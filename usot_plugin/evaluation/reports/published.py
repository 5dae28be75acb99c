"""Published results, from a table of numbers that each name their paper and the place in it."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from usot_plugin.evaluation.reports.measures import MEASURES

#: Sequences of each benchmark's test data: published numbers are over all of them.
SEQUENCE_COUNTS = {
    'OTB2015': 100,
    'VOT2016': 60,
    'VOT2018': 60,
    'VOT2020': 60,
    'TrackingNet': 511,
    'LaSOT': 280,
    'GOT-10k': 180,
}
#: Other spellings of benchmarks, letters and digits only.
_ALIASES = {
    'otb100': 'otb2015',
    'otb': 'otb2015',
    'vot2017': 'vot2018',
    'vot201718': 'vot2018',
    'got10ktest': 'got10k',
    'lasottest': 'lasot',
}
_COLUMNS = ('benchmark', 'tracker', 'video_labels', 'measure', 'value', 'paper', 'place')


class PublishedError(ValueError):
    """The table of published results is missing or malformed."""


@dataclass(frozen=True)
class PublishedRow:
    """What one paper says of one tracker on one benchmark.

    Attributes:
        benchmark: As the papers spell it.
        tracker: As the papers spell it.
        video_labels: Whether labels of videos were used for training off-line: ``'yes'``, ``'no'``;
            ``''`` where the text does not say.
        values: Number by name of its measure, scaled like ours.
        source: Paper and place in it.
    """

    benchmark: str
    tracker: str
    video_labels: str
    values: dict[str, float]
    source: str


def read_published(path: str | Path) -> list[PublishedRow]:
    """All rows of the table, in its order.

    Raises:
        PublishedError: The file cannot be read or has other columns, a measure is not known, or a
            value is not a number; the message names the line.
    """
    try:
        with Path(path).open(encoding='utf-8', newline='') as stream:
            reader = csv.DictReader(stream)
            entries = list(reader)
    except (OSError, UnicodeDecodeError) as error:
        raise PublishedError(f'{path}: cannot be read ({error})') from error
    if tuple(reader.fieldnames or ()) != _COLUMNS:
        raise PublishedError(f'{path}: its columns are not {", ".join(_COLUMNS)}')
    rows: dict[tuple[str, str, str], PublishedRow] = {}
    for line, entry in enumerate(entries, 2):
        source = f'{entry["paper"]}, {entry["place"]}'
        row = rows.setdefault(
            (entry['benchmark'], entry['tracker'], source),
            PublishedRow(entry['benchmark'], entry['tracker'], entry['video_labels'], {}, source),
        )
        measure = _measure_name(entry['measure'], entry['benchmark'])
        if measure is None:
            raise PublishedError(f'{path}, line {line}: unknown measure {entry["measure"]!r}')
        try:
            row.values[measure] = float(entry['value'])
        except (TypeError, ValueError) as error:
            raise PublishedError(
                f'{path}, line {line}: {entry["value"]!r} is not a number'
            ) from error
    return list(rows.values())


def _measure_name(head: str, benchmark: str) -> str | None:
    """Name of the measure with a head; an R is the share of VOT2020, and counted failures
    before."""
    other = 'failures_per_100' if benchmark == 'VOT2020' else 'robustness'
    return next(
        (name for name, known in MEASURES.items() if known.head == head and name != other), None
    )


def rows_of(rows: Sequence[PublishedRow], dataset: str) -> list[PublishedRow]:
    """The rows of the benchmark that a data set is, however it is spelt; empty where no paper
    reports it."""
    return [row for row in rows if _key(row.benchmark) == _key(dataset)]


def is_benchmark(dataset: str) -> bool:
    """Whether a name is that of a benchmark with published results, however it is spelt."""
    return _key(dataset) in map(_key, SEQUENCE_COUNTS)


def _key(benchmark: str) -> str:
    plain = re.sub(r'[^a-z0-9]', '', benchmark.lower())
    return _ALIASES.get(plain, plain)
