"""Tables, JSON and Markdown of a one-pass evaluation, made from scores."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
from usot_plugin.evaluation.score_table import aligned_table
from usot_plugin.utils.atomic import write_text

#: Column head, and the format of its number.
COLUMNS = {'AUC': '{:.1f}', 'P@20px': '{:.1f}', 'NP@0.2': '{:.1f}', 'NP-AUC': '{:.1f}', 'fps': '{:.1f}'}
MEAN = 'mean'
LEGEND = (
    'AUC: mean of the success curve (21 thresholds). P@20px: centre error within 20 px. NP@0.2 (pysot, MMTracking) and NP-AUC (got10k '
    'toolkit, TrackingNet: mean over 0..0.5) are the two definitions of normalised precision. All in per cent.'
)


@dataclass(frozen=True)
class SequenceReport:
    """Score of one sequence.

    Attributes:
        name: Name of the sequence.
        score: Its curves.
        frames: Number of updates, that is frames but the first.
        seconds: Time of all updates; nan where it was not measured.
    """

    name: str
    score: OnePassScore
    frames: int
    seconds: float


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
        rows = {sequence.name: _row(sequence.score, sequence.frames, sequence.seconds) for sequence in self.sequences}
        frames, seconds = sum(s.frames for s in self.sequences), sum(s.seconds for s in self.sequences)
        rows[MEAN] = _row(self.mean, frames, seconds)
        return rows

    def as_text(self) -> str:
        """An aligned table for the terminal."""
        return aligned_table(['sequence', *COLUMNS], [[name, *_formatted(row)] for name, row in self.rows().items()])

    def as_markdown(self) -> str:
        """The table with the facts that make it repeatable."""
        facts = {'tracker': self.tracker, 'data': self.dataset, 'convention': self.convention, **self.about}
        lines = [f'# {self.tracker} on {self.dataset}', '', *(f'- {key}: {value}' for key, value in facts.items()), '']
        lines += [f'| sequence | {" | ".join(COLUMNS)} |', f'|---|{"---:|" * len(COLUMNS)}']
        lines += [f'| {name} | {" | ".join(_formatted(row))} |' for name, row in self.rows().items()]
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
            'sequences': {s.name: {**_numbers(s.score), 'frames': s.frames, 'seconds': _finite(s.seconds)} for s in self.sequences},
        }

    def write(self, folder: str | Path) -> list[Path]:
        """Write ``report.json`` and ``report.md`` whole or not at all, and return their paths."""
        files = {Path(folder) / 'report.json': json.dumps(self.as_dict(), indent=1) + '\n', Path(folder) / 'report.md': self.as_markdown()}
        for path, text in files.items():
            write_text(path, text)
        return list(files)


def _row(score: OnePassScore, frames: int, seconds: float) -> dict[str, float]:
    measures = (score.auc, score.precision_at_20px, score.normalised_precision_at_020, score.normalised_precision_auc)
    speed = frames / seconds if seconds > 0 else float('nan')
    return dict(zip(COLUMNS, [*(100 * value for value in measures), speed], strict=True))


def _formatted(row: Mapping[str, float]) -> list[str]:
    return ['-' if np.isnan(row[name]) else form.format(row[name]) for name, form in COLUMNS.items()]


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _numbers(score: OnePassScore) -> dict[str, Any]:
    return {
        'auc': score.auc,
        'precision_20px': score.precision_at_20px,
        'norm_precision_0.2': score.normalised_precision_at_020,
        'norm_precision_auc': score.normalised_precision_auc,
        'curves': {
            'success': np.round(score.success, 6).tolist(),
            'precision_px': np.round(score.precision, 6).tolist(),
            'normalised_precision': np.round(score.normalised_precision, 6).tolist(),
        },
    }
