"""Scores of several trackers side by side, read from what the metrics have written beside the results."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from usot_plugin.evaluation.reports.one_pass_report import COLUMNS, MEASURES
from usot_plugin.evaluation.results.result_files import RUN_FILE, ResultError
from usot_plugin.utils.atomic import write_bytes
from usot_plugin.utils.json_text import parse_json
from usot_plugin.visualization.plots import PLOTS, Curve, draw_curves, figure_bytes

#: Rows of a table of scores that stand for several sequences, besides its last one.
TOTAL_ROWS = ('mean of sequences', 'all frames')
#: Key of the curve and of the number in the legend in a one-pass report, by key of ``PLOTS``.
ONE_PASS_CURVES = {
    'success': ('success', 'auc'),
    'precision': ('precision_px', 'precision_20px'),
    'norm_precision': ('normalised_precision', 'norm_precision_auc'),
}
#: Columns of VOT's tables by the names that papers use.
VOT_HEADS = {'accuracy': 'A', 'robustness': 'R', 'per 100': 'R'}


@dataclass(frozen=True, eq=False)
class TrackerScores:
    """What one metric says of one tracker on one data set. Numbers are as they are read: per cent, frames per second ...

    Attributes:
        tracker: Name of the tracker, unique within a comparison.
        dataset: Name of the data.
        kind: Which metric it was: stem of the file.
        convention: Toolkit convention of a one-pass report.
        folder: Result folder.
        total: Numbers over all sequences, by column head.
        sequences: The same of each sequence.
        attributes: The same of each attribute, where the benchmark has some.
        sizes: Number of sequences of each attribute.
        curves: Curves by key of :data:`usot_plugin.visualization.plots.PLOTS`.
        about: Config, checkpoint, hardware ...
    """

    tracker: str
    dataset: str
    kind: str
    convention: str
    folder: Path
    total: dict[str, float]
    sequences: dict[str, dict[str, float]]
    attributes: dict[str, dict[str, float]] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    curves: dict[str, Curve] = field(default_factory=dict)
    about: dict[str, Any] = field(default_factory=dict)


def read_results(paths: Iterable[str | Path]) -> list[TrackerScores]:
    """Scores in result folders.

    Args:
        paths: ``OUT/<tracker>``, or ``OUT`` for all trackers in it.

    Raises:
        ResultError: No scores there, a file that cannot be read, or a folder in which the scores of several trackers are mixed.
    """
    scores: list[TrackerScores] = []
    for path in map(Path, paths):
        if not path.is_dir():
            raise ResultError(path, 'no such folder of results')
        inner = sorted(folder for folder in path.iterdir() if folder.is_dir())
        folders = [folder for folder in ([path] if _score_files(path) else inner) if _score_files(folder)]
        if not folders:
            raise ResultError(path, 'no scores in it or in its folders; tools/test.py --score-only makes them')
        for folder in folders:
            if all(folder.resolve() != other.folder.resolve() for other in scores):
                scores += [_read_scores(file) for file in _score_files(folder)]
    return _distinct(scores)


def has_scores(folder: Path) -> bool:
    """Whether a metric has written its scores into a folder."""
    return bool(_score_files(folder))


def groups_of(scores: Sequence[TrackerScores]) -> list[list[TrackerScores]]:
    """Scores that can be compared: the same data, metric and convention."""
    groups: dict[tuple[str, str, str], list[TrackerScores]] = {}
    for entry in scores:
        groups.setdefault((entry.dataset, entry.kind, entry.convention), []).append(entry)
    return list(groups.values())


def uneven(group: Sequence[TrackerScores]) -> str | None:
    """Which trackers were scored on other sequences than the rest, in words; None where all totals are over the same ones."""
    everything = {name for entry in group for name in entry.sequences}
    parts = []
    for entry in group:
        missing = sorted(everything - entry.sequences.keys())
        if missing:
            more = f' and {len(missing) - 3} more' if len(missing) > 3 else ''
            parts.append(f'{entry.tracker} lacks {", ".join(missing[:3])}{more}')
    return '; '.join(parts) or None


def draw_plots(group: Sequence[TrackerScores], form: str = 'png') -> dict[str, bytes]:
    """Every plot that all trackers of a group have, as the content of a file ``<key>.<form>``."""
    names = [name for name in PLOTS if group and all(name in entry.curves for entry in group)]
    data = f'{group[0].dataset} ({len(group[0].sequences)} sequences)' if group else ''
    return {name: figure_bytes(draw_curves([entry.curves[name] for entry in group], PLOTS[name], data), form) for name in names}


def write_plots(folder: str | Path) -> list[Path]:
    """Draw the plots of one result folder into it, with all trackers beside it that were scored on the same sequences.

    Returns:
        The files; none where the scores have no curves.

    Raises:
        ResultError: The folder holds no scores. Unreadable scores of another tracker are left out.
        OSError: The folder cannot be written to.
    """
    folder, written = Path(folder), []
    neighbours = []
    for other in sorted(folder.parent.iterdir()):
        if other.is_dir() and other.name != folder.name and _score_files(other):
            with suppress(ResultError):
                neighbours += read_results([other])
    for entry in read_results([folder]):
        group = next(group for group in groups_of([entry, *neighbours]) if group[0] is entry)
        same = [other for other in group if other.sequences.keys() == entry.sequences.keys()]
        for name, content in draw_plots(same).items():
            written.append(folder / f'{name}.png')
            write_bytes(written[-1], content)
    return written


def _score_files(folder: Path) -> list[Path]:
    return [file for file in sorted(folder.glob('*.json')) if file.name != RUN_FILE and not file.name.startswith('.')]


def _read_scores(file: Path) -> TrackerScores:
    try:
        content = parse_json(file.read_text(encoding='utf-8'))
        read = _of_table if 'scores' in content else _of_vot if 'eao_window' in content else _of_one_pass
        scores = read(content, file)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, OverflowError) as error:
        raise ResultError(file, f'is not a file of scores ({type(error).__name__}: {error})') from error
    if scores.tracker != file.parent.name:
        raise ResultError(
            file, f'holds scores of {scores.tracker!r} in the folder of {file.parent.name!r}; score the folder again (--score-only)'
        )
    return scores


def _of_one_pass(content: dict[str, Any], file: Path) -> TrackerScores:
    def row(numbers: dict[str, Any]) -> dict[str, float]:
        return {head: 100 * numbers[measure] for head, measure in zip(COLUMNS, MEASURES, strict=False)}

    sequences = {}
    for name, numbers in content['sequences'].items():
        speed = {'fps': numbers['frames'] / numbers['seconds']} if numbers['seconds'] else {}
        sequences[name] = {**row(numbers), **speed}
    timed = [entry for entry in content['sequences'].values() if entry['seconds']]
    seconds = sum(entry['seconds'] for entry in timed)
    total = {**row(content['mean']), **({'fps': sum(entry['frames'] for entry in timed) / seconds} if seconds else {})}
    attributes = content.get('attributes', {})
    return TrackerScores(
        content['tracker'],
        content['dataset'],
        file.stem,
        content['convention'],
        file.parent,
        total,
        sequences,
        {name: row(numbers) for name, numbers in attributes.items()},
        {name: numbers['sequences'] for name, numbers in attributes.items()},
        {name: _one_pass_curve(content, *keys) for name, keys in ONE_PASS_CURVES.items()},
        content['about'],
    )


def _one_pass_curve(content: dict[str, Any], curve: str, number: str) -> Curve:
    mean = content['mean']
    return Curve(content['tracker'], np.array(content['thresholds'][curve]), np.array(mean['curves'][curve]), 100 * mean[number])


def _of_table(content: dict[str, Any], file: Path) -> TrackerScores:
    rows = _known(content['scores'])
    whole = list(rows)[-1]
    sequences = {name: row for name, row in rows.items() if name != whole and name not in TOTAL_ROWS}
    return TrackerScores(content['tracker'], content['dataset'], file.stem, '', file.parent, rows[whole], sequences, about=content['about'])


def _of_vot(content: dict[str, Any], file: Path) -> TrackerScores:
    rows = {name: {VOT_HEADS.get(head, head): value for head, value in row.items()} for name, row in _known(content['sequences']).items()}
    whole = rows.pop(list(rows)[-1])
    attributes = _known(content.get('attributes', {}))
    curve = np.array([np.nan if value is None else value for value in content['curves']['expected_average_overlap']], np.float64)
    about = content['about']
    rules = ', '.join(f'{key} {about[key]}' for key in ('style', 'overlap', 'EAO window') if key in about)
    return TrackerScores(
        content['tracker'],
        content['dataset'],
        about['protocol'],
        rules,
        file.parent,
        whole,
        rows,
        {name: {VOT_HEADS.get(head, head): value for head, value in row.items()} for name, row in attributes.items()},
        curves={'eao': Curve(content['tracker'], np.arange(1.0, len(curve) + 1), curve, whole.get('EAO', float('nan')))},
        about=about,
    )


def _known(rows: dict[str, dict[str, float | None]]) -> dict[str, dict[str, float]]:
    """Rows without the numbers that are not defined."""
    return {name: {head: value for head, value in row.items() if value is not None} for name, row in rows.items()}


def _distinct(scores: list[TrackerScores]) -> list[TrackerScores]:
    """Trackers of the same name in different folders are told apart by as much of their path as it takes."""
    renamed = []
    for entry in scores:
        same = [other for other in scores if other.tracker == entry.tracker and other.folder.resolve() != entry.folder.resolve()]
        label, depth = entry.tracker, 1
        while any(_tail(other.folder, depth) == _tail(entry.folder, depth) for other in same):
            depth += 1
            label = _tail(entry.folder, depth)
        curves = {name: replace(curve, label=label) for name, curve in entry.curves.items()}
        renamed.append(replace(entry, tracker=label, curves=curves))
    return renamed


def _tail(folder: Path, depth: int) -> str:
    return '/'.join(folder.resolve().parts[-depth:])
