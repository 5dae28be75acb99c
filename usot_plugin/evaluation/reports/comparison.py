"""Scores of several trackers side by side, read from what the metrics have written beside the
results."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from usot_plugin.evaluation.reports.measures import CURVES, main_measure, measure_of
from usot_plugin.evaluation.reports.scores import Scores, read_scores
from usot_plugin.evaluation.results.result_files import RUN_FILE, ResultError
from usot_plugin.utils.atomic import write_bytes
from usot_plugin.visualization.plots import Curve, draw_bars, draw_curves, figure_bytes

#: Stem of the plot of attributes; the others are called like their curves.
ATTRIBUTES = 'attributes'


def read_results(paths: Iterable[str | Path]) -> list[Scores]:
    """Scores in result folders.

    Args:
        paths: ``OUT/<tracker>``, or ``OUT`` for all trackers in it.

    Raises:
        ResultError: No scores there, a file that cannot be read, or a folder in which the scores of
            several trackers are mixed.
    """
    scores: list[Scores] = []
    for path in map(Path, paths):
        if not path.is_dir():
            raise ResultError(path, 'no such folder of results')
        inner = sorted(folder for folder in path.iterdir() if folder.is_dir())
        folders = [
            folder for folder in ([path] if _score_files(path) else inner) if _score_files(folder)
        ]
        if not folders:
            raise ResultError(
                path, 'no scores in it or in its folders; tools/test.py --score-only makes them'
            )
        for folder in folders:
            if all(folder.resolve() != other.folder.resolve() for other in scores):
                scores += [_read_scores(file) for file in _score_files(folder)]
    return _distinct(scores)


def has_scores(folder: Path) -> bool:
    """Whether a metric has written its scores into a folder."""
    return bool(_score_files(folder))


def groups_of(scores: Sequence[Scores]) -> list[list[Scores]]:
    """Scores that can be compared: the same data, metric and rules."""
    groups: dict[tuple[str, ...], list[Scores]] = {}
    for entry in scores:
        groups.setdefault((entry.title, entry.kind), []).append(entry)
    return list(groups.values())


def uneven(group: Sequence[Scores]) -> str | None:
    """Which trackers were scored on other sequences than the rest, in words; None where all totals
    are over the same ones."""
    everything = {name for entry in group for name in entry.sequences}
    parts = []
    for entry in group:
        missing = sorted(everything - entry.sequences.keys())
        if missing:
            more = f' and {len(missing) - 3} more' if len(missing) > 3 else ''
            parts.append(f'{entry.tracker} lacks {", ".join(missing[:3])}{more}')
    return '; '.join(parts) or None


def attribute_measure(group: Sequence[Scores]) -> str | None:
    """Name of the measure that attributes are compared by; None where no tracker has attributes."""
    rows = [row for entry in group for row in entry.attributes.values()]
    names = [name for name in group[0].measures if any(name in row for row in rows)]
    return main_measure(names) if names else None


def attribute_sizes(group: Sequence[Scores]) -> dict[str, int]:
    """Number of sequences of each attribute, 0 where it is not known."""
    found: dict[str, int] = {}
    for entry in group:
        for name, row in entry.attributes.items():
            found[name] = max(found.get(name, 0), int(row.get('sequences', 0)))
    return found


def draw_plots(group: Sequence[Scores], form: str = 'png') -> dict[str, bytes]:
    """Every plot that all trackers of a group have, as the content of a file ``<key>.<form>``.

    Keys are those of ``CURVES``, and :data:`ATTRIBUTES` for bars of each attribute.
    """
    plots = {}
    data = f'{group[0].dataset} ({len(group[0].sequences)} sequences)' if group else ''
    for name, axes in CURVES.items():
        if not group or any(name not in entry.curves for entry in group):
            continue
        measure = measure_of(axes.measure)
        curves = []
        for entry in group:
            curve, number = entry.curves[name], entry.total.get(axes.measure, float('nan'))
            curves.append(Curve(entry.tracker, curve.x, curve.y, number, measure.text(number)))
        plots[name] = draw_curves(curves, f'{axes.title}, {data}', axes.x_label, axes.y_label)
    column = attribute_measure(group) if group else None
    if column is not None:
        measure = measure_of(column)
        sizes = attribute_sizes(group)
        labels = {name: f'{name} ({size})' if size else name for name, size in sizes.items()}
        values = {
            entry.tracker: [
                entry.attributes.get(name, {}).get(column, float('nan')) for name in labels
            ]
            for entry in group
        }
        unit = ' (%)' if measure.unit == '%' else ''
        title = f'{measure.head} by attribute, {group[0].dataset}'
        plots[ATTRIBUTES] = draw_bars(
            list(labels.values()), values, title, measure.head + unit, 100 if unit else 1
        )
    return {name: figure_bytes(figure, form) for name, figure in plots.items()}


def write_plots(folder: str | Path) -> list[Path]:
    """Draw the plots of one result folder into it, with all trackers beside it that were scored on
    the same sequences.

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
    return [
        file
        for file in sorted(folder.glob('*.json'))
        if file.name != RUN_FILE and not file.name.startswith('.')
    ]


def _read_scores(file: Path) -> Scores:
    scores = read_scores(file)
    if scores.tracker != file.parent.name:
        raise ResultError(
            file,
            f'holds scores of {scores.tracker!r} in the folder of {file.parent.name!r}; score '
            'the folder again (--score-only)',
        )
    return scores


def _distinct(scores: list[Scores]) -> list[Scores]:
    """Trackers of the same name in different folders are told apart by as much of their path as it
    takes."""
    renamed = []
    for entry in scores:
        same = [
            other
            for other in scores
            if other.tracker == entry.tracker and other.folder.resolve() != entry.folder.resolve()
        ]
        label, depth = entry.tracker, 1
        while any(_tail(other.folder, depth) == _tail(entry.folder, depth) for other in same):
            depth += 1
            label = _tail(entry.folder, depth)
        renamed.append(replace(entry, tracker=label))
    return renamed


def _tail(folder: Path, depth: int) -> str:
    return '/'.join(folder.resolve().parts[-depth:])
