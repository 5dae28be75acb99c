"""Scores of one tracker on one benchmark: the record that all metrics make, its tables, and its
file."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from usot_plugin.evaluation.reports.former_scores import former_content
from usot_plugin.evaluation.reports.measures import legend, main_measure, measure_of
from usot_plugin.evaluation.results.result_files import ResultError
from usot_plugin.utils.atomic import write_text
from usot_plugin.utils.json_text import parse_json
from usot_plugin.utils.names import shown_name, table_cell

#: Number of the JSON form; a program reads this one and, for one release, the forms without one.
FORMAT = 1
#: Decimals of curves in the file.
CURVE_DECIMALS = 6

Row = Mapping[str, float]


@dataclass(frozen=True, eq=False)
class ScoreCurve:
    """A curve of a tracker; its axes are in :data:`usot_plugin.evaluation.reports.measures.CURVES`.

    Attributes:
        x: ``(N,)`` thresholds or lengths.
        y: ``(N,)`` values in [0, 1] over all sequences; nan where undefined.
        sequences: The same of single sequences, where the metric has them.
    """

    x: np.ndarray
    y: np.ndarray
    sequences: Mapping[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Scores:
    """What one metric says of one tracker on one data set.

    Numbers are as the metric returns them: per cent or share, see the unit of each
    :class:`~usot_plugin.evaluation.reports.measures.Measure`. What is not defined is nan, and
    missing after a file was read.

    Attributes:
        tracker: Name of the tracker.
        dataset: Name of the data.
        kind: Which measures: ``one_pass``, ``got10k``, ``vos``, ``vot_reset``, ``vot_multistart``.
        measures: Names of the columns of tables, in their order; rows may have further numbers.
        sequences: Row of each sequence, by name.
        totals: Rows over all sequences; the last one is quoted.
        rules: What toolkits do differently: convention, overlap rule, EAO window ...
        attributes: Row of each attribute; ``sequences`` and ``frames`` say how much it is over.
        members: Names of the sequences with each attribute.
        curves: By key of ``CURVES``.
        about: Config, checkpoint, hardware ...
        folder: Where the scores were read.
    """

    tracker: str
    dataset: str
    kind: str
    measures: Sequence[str]
    sequences: Mapping[str, Row]
    totals: Mapping[str, Row]
    rules: Mapping[str, Any] = field(default_factory=dict)
    attributes: Mapping[str, Row] = field(default_factory=dict)
    members: Mapping[str, Sequence[str]] = field(default_factory=dict)
    curves: Mapping[str, ScoreCurve] = field(default_factory=dict)
    about: Mapping[str, Any] = field(default_factory=dict)
    folder: Path = Path()

    @property
    def total(self) -> Row:
        """The numbers that are quoted."""
        return list(self.totals.values())[-1]

    @property
    def title(self) -> str:
        """Data and rules, in words."""
        rules = ', '.join(f'{key} {value}' for key, value in self.rules.items())
        return f'{self.dataset} ({rules})' if rules else self.dataset

    @property
    def main(self) -> str:
        """Name of the measure that trackers are compared by."""
        return main_measure(self.measures)

    def as_text(self) -> str:
        """Aligned tables for the terminal."""
        rows = [[shown_name(name), *cells] for name, cells in self._cells()]
        text = aligned_table(['sequence', *self._heads()], rows, len(self.totals))
        if not self.attributes:
            return text
        head, *body = self._attribute_table()
        return (
            f'{text}\n\n{aligned_table(head, [[shown_name(name), *rest] for name, *rest in body])}'
        )

    def as_markdown(self) -> str:
        """The tables with the facts that make them repeatable."""
        facts = {'tracker': self.tracker, 'data': self.dataset, **self.rules, **self.about}
        lines = [f'# {self.tracker} on {self.dataset}', '']
        lines += [*(f'- {key}: {value}' for key, value in facts.items()), '']
        table = [['sequence', *self._heads()], *([name, *cells] for name, cells in self._cells())]
        for head, *body in [table, *([self._attribute_table()] if self.attributes else [])]:
            lines += [f'| {" | ".join(head)} |', f'|---|{"---:|" * (len(head) - 1)}']
            lines += [f'| {table_cell(name)} | {" | ".join(cells)} |' for name, *cells in body]
            lines.append('')
        return '\n'.join([*lines, legend(self.measures, self.kind), ''])

    def as_dict(self) -> dict[str, Any]:
        """The content of the file; null where a number is not defined."""
        return {
            'format': FORMAT,
            'tracker': self.tracker,
            'dataset': self.dataset,
            'kind': self.kind,
            'rules': dict(self.rules),
            'about': dict(self.about),
            'measures': list(self.measures),
            'totals': _defined(self.totals),
            'sequences': _defined(self.sequences),
            'attributes': _defined(self.attributes),
            'members': {name: list(names) for name, names in self.members.items()},
            'curves': {name: _curve_content(curve) for name, curve in self.curves.items()},
        }

    def write(self, folder: str | Path, stem: str = 'report') -> list[Path]:
        """Write ``<stem>.json`` and ``<stem>.md`` whole or not at all, and return their paths."""
        texts = {'json': json.dumps(self.as_dict(), indent=1) + '\n', 'md': self.as_markdown()}
        files = {Path(folder) / f'{stem}.{ending}': text for ending, text in texts.items()}
        for path, text in files.items():
            write_text(path, text)
        return list(files)

    def _heads(self) -> list[str]:
        return [measure_of(name).head for name in self.measures]

    def _cells(self) -> list[tuple[str, list[str]]]:
        """Rows of the table; a sequence that is called like a total gets a word more."""
        rows = [
            (f'{name} (sequence)' if name in self.totals else name, row)
            for name, row in self.sequences.items()
        ]
        return [(name, _texts(self.measures, row)) for name, row in [*rows, *self.totals.items()]]

    def _attribute_table(self) -> list[list[str]]:
        used = {name for row in self.attributes.values() for name in row}
        counts = [name for name in ('sequences', 'frames') if name in used]
        names = [*counts, *(name for name in self.measures if name in used and name not in counts)]
        rows = [[name, *_texts(names, row)] for name, row in self.attributes.items()]
        return [['attribute', *(measure_of(name).head for name in names)], *rows]


def read_scores(file: Path) -> Scores:
    """Read what :meth:`Scores.write` wrote.

    Raises:
        ResultError: The file cannot be read, is damaged, is no file of scores, or is of a later
            release.
    """
    try:
        content = parse_json(file.read_text(encoding='utf-8'))
        version = content.get('format')
        if version is None:
            content = former_content(content, file.stem)
        elif version != FORMAT:
            raise ResultError(
                file, f'has format {version!r} of scores; this release reads {FORMAT}'
            )
        return _of_content(content, file.parent)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, OverflowError) as error:
        raise ResultError(
            file, f'is not a file of scores ({type(error).__name__}: {error})'
        ) from error


def aligned_table(head: Sequence[str], body: Sequence[Sequence[str]], totals: int = 0) -> str:
    """Columns side by side, the first to the left and the others to the right.

    Rules stand below the head and above the last ``totals`` rows.
    """
    widths = [max(len(row[column]) for row in [head, *body]) for column in range(len(head))]
    lines = []
    for name, *cells in [head, *body]:
        right = (cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True))
        lines.append('  '.join([name.ljust(widths[0]), *right]))
    rule = '-' * len(lines[0])
    end = len(lines) - totals
    return '\n'.join([lines[0], rule, *lines[1:end], *([rule] if totals else []), *lines[end:]])


def _texts(names: Iterable[str], row: Row) -> list[str]:
    return [measure_of(name).text(row.get(name)) for name in names]


def _defined(rows: Mapping[str, Row]) -> dict[str, dict[str, float | None]]:
    return {
        name: {key: float(value) if math.isfinite(value) else None for key, value in row.items()}
        for name, row in rows.items()
    }


def _curve_content(curve: ScoreCurve) -> dict[str, Any]:
    content: dict[str, Any] = {'x': _numbers(curve.x), 'y': _numbers(curve.y)}
    if curve.sequences:
        content['sequences'] = {name: _numbers(y) for name, y in curve.sequences.items()}
    return content


def _numbers(values: np.ndarray) -> list[float | None]:
    rounded = np.round(values, CURVE_DECIMALS).tolist()
    return [value if math.isfinite(value) else None for value in rounded]


def _of_content(content: dict[str, Any], folder: Path) -> Scores:
    for key, kind in (('tracker', str), ('dataset', str), ('kind', str), ('measures', list)):
        if not isinstance(content[key], kind):
            raise TypeError(f'{key} is {content[key]!r}')
    totals = _known(content['totals'])
    if not totals or not content['measures']:
        raise ValueError('no total or no measure')
    return Scores(
        content['tracker'],
        content['dataset'],
        content['kind'],
        tuple(content['measures']),
        _known(content['sequences']),
        totals,
        dict(content['rules']),
        _known(content['attributes']),
        {name: tuple(names) for name, names in content['members'].items()},
        {name: _read_curve(curve) for name, curve in content['curves'].items()},
        dict(content['about']),
        folder,
    )


def _known(rows: Mapping[str, Mapping[str, float | None]]) -> dict[str, dict[str, float]]:
    """Rows without the numbers that are not defined."""
    found = {}
    for name, row in rows.items():
        found[name] = {key: value for key, value in row.items() if value is not None}
        for key, value in found[name].items():
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise TypeError(f'{key} of {name} is {value!r}')
    return found


def _read_curve(content: Mapping[str, Any]) -> ScoreCurve:
    parts = content.get('sequences', {})
    curve = ScoreCurve(
        np.array(content['x'], np.float64),
        np.array(content['y'], np.float64),
        {name: np.array(values, np.float64) for name, values in parts.items()},
    )
    for y in (curve.y, *curve.sequences.values()):
        if y.ndim != 1 or y.shape != curve.x.shape:
            raise ValueError(f'a curve of {y.shape} values at {curve.x.shape} places')
    return curve
