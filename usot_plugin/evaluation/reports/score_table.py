"""Tables of scores, a row a sequence and one for all of them, for the terminal and for files."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from usot_plugin.utils.atomic import write_text
from usot_plugin.utils.names import shown_name, table_cell


@dataclass(frozen=True)
class ScoreTable:
    """Scores of one tracker on one benchmark.

    Attributes:
        tracker: Name for the report.
        dataset: Name for the report.
        columns: Column head, and the format of its number.
        rows: Numbers of each sequence, in the order of the columns; the last row is the whole. nan is shown as ``-``.
        legend: What the columns mean.
        about: More lines for the report (config, checkpoint, hardware ...).
    """

    tracker: str
    dataset: str
    columns: Mapping[str, str]
    rows: Mapping[str, tuple[float, ...]]
    legend: str = ''
    about: Mapping[str, Any] = field(default_factory=dict)

    def as_text(self) -> str:
        """An aligned table for the terminal."""
        return aligned_table(['sequence', *self.columns], [[shown_name(name), *self._cells(row)] for name, row in self.rows.items()])

    def as_markdown(self) -> str:
        """The table with the facts that make it repeatable."""
        facts = {'tracker': self.tracker, 'data': self.dataset, **self.about}
        lines = [f'# {self.tracker} on {self.dataset}', '', *(f'- {key}: {value}' for key, value in facts.items()), '']
        lines += [f'| sequence | {" | ".join(self.columns)} |', f'|---|{"---:|" * len(self.columns)}']
        lines += [f'| {table_cell(name)} | {" | ".join(self._cells(row))} |' for name, row in self.rows.items()]
        return '\n'.join([*lines, '', self.legend, ''])

    def write(self, folder: str | Path, stem: str) -> list[Path]:
        """Write ``<stem>.json`` and ``<stem>.md`` whole or not at all, and return their paths."""
        rows = {name: dict(zip(self.columns, map(finite_or_none, row), strict=True)) for name, row in self.rows.items()}
        content = {'tracker': self.tracker, 'dataset': self.dataset, 'about': dict(self.about), 'scores': rows}
        files = {Path(folder) / f'{stem}.json': json.dumps(content, indent=1) + '\n', Path(folder) / f'{stem}.md': self.as_markdown()}
        for path, text in files.items():
            write_text(path, text)
        return list(files)

    def _cells(self, row: tuple[float, ...]) -> list[str]:
        return ['-' if math.isnan(value) else form.format(value) for value, form in zip(row, self.columns.values(), strict=True)]


def own_row(name: str, totals: Collection[str]) -> str:
    """Name of a sequence's row; one that is called like a row of totals gets a word more, so that neither replaces the other."""
    return f'{name} (sequence)' if name in totals else name


def aligned_table(head: list[str], body: list[list[str]]) -> str:
    """Columns side by side, the first to the left and the others to the right, with a rule below the head and above the last row."""
    widths = [max(len(row[column]) for row in [head, *body]) for column in range(len(head))]
    lines = [
        '  '.join([row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))])
        for row in [head, *body]
    ]
    rule = '-' * len(lines[0])
    return '\n'.join([lines[0], rule, *lines[1:-1], rule, lines[-1]])


def finite_or_none(value: float) -> float | None:
    """A number as JSON can hold it: no ``NaN``."""
    return float(value) if math.isfinite(value) else None
