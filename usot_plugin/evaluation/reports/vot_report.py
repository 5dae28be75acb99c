"""Tables and curve of a VOT evaluation."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from usot_plugin.evaluation.reports.score_table import ScoreTable, finite_or_none
from usot_plugin.utils.atomic import write_text


@dataclass(frozen=True, eq=False)
class VOTReport(ScoreTable):
    """Scores of one tracker on one benchmark under one of VOT's protocols; the rows are the sequences, and all of them.

    Attributes:
        numbers: What the metric returns.
        curve: ``(L,)`` expected average overlap over the length of a fragment or run.
        window: First and last length that the EAO averages over.
        attributes: Scores on the frames with each attribute, where there are any.
    """

    numbers: Mapping[str, float] = field(default_factory=dict)
    curve: np.ndarray = field(default_factory=lambda: np.zeros(0))
    window: tuple[int, int] = (0, 0)
    attributes: ScoreTable | None = None

    def as_text(self) -> str:
        """Aligned tables for the terminal."""
        own = super().as_text()
        return own if self.attributes is None else f'{own}\n\n{self.attributes.as_text()}'

    def as_markdown(self) -> str:
        """The tables with the facts that make them repeatable."""
        own = super().as_markdown()
        return own if self.attributes is None else f'{own}\n{self.attributes.as_markdown()}'

    def as_dict(self) -> dict[str, Any]:
        """Everything, for a program; null where a number is not defined."""
        content = {
            'tracker': self.tracker,
            'dataset': self.dataset,
            'about': dict(self.about),
            'mean': {name: finite_or_none(value) for name, value in self.numbers.items()},
            'eao_window': list(self.window),
            'curves': {'expected_average_overlap': [finite_or_none(value) for value in np.round(self.curve, 6)]},
            'sequences': _rows(self),
        }
        return content if self.attributes is None else {**content, 'attributes': _rows(self.attributes)}

    def write(self, folder: str | Path, stem: str = 'report') -> list[Path]:
        """Write ``<stem>.json`` and ``<stem>.md`` whole or not at all, and return their paths."""
        texts = {'json': json.dumps(self.as_dict(), indent=1) + '\n', 'md': self.as_markdown()}
        files = {Path(folder) / f'{stem}.{ending}': text for ending, text in texts.items()}
        for path, text in files.items():
            write_text(path, text)
        return list(files)


def _rows(table: ScoreTable) -> dict[str, dict[str, float | None]]:
    return {name: dict(zip(table.columns, map(finite_or_none, row), strict=True)) for name, row in table.rows.items()}
