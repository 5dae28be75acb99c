"""Tables, JSON and Markdown of a one-pass evaluation, made from scores."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from usot_plugin.evaluation.functional.one_pass import (
    NORMALISED_THRESHOLDS,
    PRECISION_THRESHOLDS_PX,
    SUCCESS_THRESHOLDS,
    OnePassScore,
    mean_score,
)
from usot_plugin.evaluation.reports.score_table import aligned_table, finite_or_none, own_row
from usot_plugin.utils.atomic import write_text
from usot_plugin.utils.names import shown_name, table_cell

#: Column head, and the format of its number.
COLUMNS = {'AUC': '{:.1f}', 'P@20px': '{:.1f}', 'NP@0.2': '{:.1f}', 'NP-AUC': '{:.1f}', 'fps': '{:.1f}'}
#: The same numbers in ``report.json``, in [0, 1].
MEASURES = ('auc', 'precision_20px', 'norm_precision_0.2', 'norm_precision_auc')
MEAN = 'mean'
LEGEND = (
    'AUC: mean of the success curve (21 thresholds). P@20px: centre error within 20 px. NP@0.2 (pysot, MMTracking) and NP-AUC (got10k '
    'toolkit, TrackingNet: mean over 0..0.5) are the two definitions of normalised precision. All in per cent.'
)


@dataclass(frozen=True)
class FrameScore:
    """Score of the frames of one sequence that have some attribute.

    Attributes:
        score: Their curves.
        frames: How many there are.
    """

    score: OnePassScore
    frames: int


@dataclass(frozen=True)
class SequenceReport:
    """Score of one sequence.

    Attributes:
        name: Name of the sequence.
        score: Its curves.
        frames: Number of updates, that is frames but the first.
        seconds: Time of all updates; nan where it was not measured.
        attributes: The sequence's attributes.
        frame_scores: Score over the frames of each attribute that is annotated frame by frame.
    """

    name: str
    score: OnePassScore
    frames: int
    seconds: float
    attributes: tuple[str, ...] = ()
    frame_scores: Mapping[str, FrameScore] = field(default_factory=dict)


class OnePassReport:
    """Scores of one tracker on one benchmark.

    Args:
        sequences: Scores, in the benchmark's order.
        tracker: Name for the report.
        dataset: Name for the report.
        convention: Key of the toolkit convention that the scores were made with.
        about: More lines for the report (config, checkpoint, hardware ...).
    """

    def __init__(
        self, sequences: Sequence[SequenceReport], tracker: str, dataset: str, convention: str, about: Mapping[str, Any] | None = None
    ) -> None:
        self.sequences, self.tracker, self.dataset, self.convention = list(sequences), tracker, dataset, convention
        self.about = dict(about or {})
        self.mean = mean_score([sequence.score for sequence in self.sequences])

    def rows(self) -> dict[str, dict[str, float]]:
        """Numbers of each sequence and of their mean, in per cent and frames per second. Speed is all frames over all seconds."""
        named = [(own_row(sequence.name, (MEAN,)), sequence) for sequence in self.sequences]
        rows = {name: _row(sequence.score, sequence.frames, sequence.seconds) for name, sequence in named}
        frames, seconds = sum(s.frames for s in self.sequences), sum(s.seconds for s in self.sequences)
        rows[MEAN] = _row(self.mean, frames, seconds)
        return rows

    def attribute_rows(self) -> dict[str, dict[str, Any]]:
        """Mean over the sequences of each attribute: the numbers of :func:`_numbers` without curves, and ``sequences``; for attributes of
        frames, which are named ``<attribute> (frames)``, over those frames, and ``frames``."""
        groups: dict[str, list[OnePassScore]] = {}
        frames: Counter[str] = Counter()
        for sequence in self.sequences:
            for name in sequence.attributes:
                groups.setdefault(name, []).append(sequence.score)
        for sequence in self.sequences:
            for name, part in sequence.frame_scores.items():
                groups.setdefault(f'{name} (frames)', []).append(part.score)
                frames[f'{name} (frames)'] += part.frames
        rows: dict[str, dict[str, Any]] = {}
        for name, scores in groups.items():
            rows[name] = {**_measures(mean_score(scores)), 'sequences': len(scores)}
            if name in frames:
                rows[name]['frames'] = frames[name]
        return rows

    def as_text(self) -> str:
        """An aligned table for the terminal."""
        return aligned_table(['sequence', *COLUMNS], [[shown_name(name), *_formatted(row)] for name, row in self.rows().items()])

    def as_markdown(self) -> str:
        """The table with the facts that make it repeatable."""
        facts = {'tracker': self.tracker, 'data': self.dataset, 'convention': self.convention, **self.about}
        lines = [f'# {self.tracker} on {self.dataset}', '', *(f'- {key}: {value}' for key, value in facts.items()), '']
        lines += [f'| sequence | {" | ".join(COLUMNS)} |', f'|---|{"---:|" * len(COLUMNS)}']
        lines += [f'| {table_cell(name)} | {" | ".join(_formatted(row))} |' for name, row in self.rows().items()]
        attributes = self.attribute_rows()
        if attributes:
            heads = [head for head in COLUMNS if head != 'fps']
            lines += ['', f'| attribute | sequences | {" | ".join(heads)} |', f'|---|{"---:|" * (len(heads) + 1)}']
            for name, row in attributes.items():
                cells = [COLUMNS[head].format(100 * row[measure]) for head, measure in zip(heads, MEASURES, strict=True)]
                lines.append(f'| {table_cell(name)} | {row["sequences"]} | {" | ".join(cells)} |')
        return '\n'.join([*lines, '', LEGEND, ''])

    def as_dict(self) -> dict[str, Any]:
        """Everything, for a program: numbers in [0, 1] and the curves with their thresholds."""
        thresholds = {'success': SUCCESS_THRESHOLDS, 'precision_px': PRECISION_THRESHOLDS_PX, 'normalised_precision': NORMALISED_THRESHOLDS}
        return {
            'tracker': self.tracker,
            'dataset': self.dataset,
            'convention': self.convention,
            'about': self.about,
            'thresholds': {name: np.round(values, 6).tolist() for name, values in thresholds.items()},
            'mean': _numbers(self.mean),
            'attributes': self.attribute_rows(),
            'sequences': {s.name: self._entry(s) for s in self.sequences},
        }

    @staticmethod
    def _entry(sequence: SequenceReport) -> dict[str, Any]:
        facts = {'frames': sequence.frames, 'seconds': finite_or_none(sequence.seconds), 'attributes': list(sequence.attributes)}
        return {**_numbers(sequence.score), **facts}

    def write(self, folder: str | Path) -> list[Path]:
        """Write ``report.json`` and ``report.md`` whole or not at all, and return their paths."""
        files = {Path(folder) / 'report.json': json.dumps(self.as_dict(), indent=1) + '\n', Path(folder) / 'report.md': self.as_markdown()}
        for path, text in files.items():
            write_text(path, text)
        return list(files)


def _row(score: OnePassScore, frames: int, seconds: float) -> dict[str, float]:
    speed = frames / seconds if seconds > 0 else float('nan')
    return dict(zip(COLUMNS, [*(100 * value for value in _measures(score).values()), speed], strict=True))


def _measures(score: OnePassScore) -> dict[str, float]:
    values = (score.auc, score.precision_at_20px, score.normalised_precision_at_020, score.normalised_precision_auc)
    return dict(zip(MEASURES, values, strict=True))


def _formatted(row: Mapping[str, float]) -> list[str]:
    return ['-' if np.isnan(row[name]) else form.format(row[name]) for name, form in COLUMNS.items()]


def _numbers(score: OnePassScore) -> dict[str, Any]:
    return {
        **_measures(score),
        'curves': {
            'success': np.round(score.success, 6).tolist(),
            'precision_px': np.round(score.precision, 6).tolist(),
            'normalised_precision': np.round(score.normalised_precision, 6).tolist(),
        },
    }
