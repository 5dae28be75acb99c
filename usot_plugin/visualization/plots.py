"""Plots of one or several trackers, drawn without a display: curves, and bars for groups of
sequences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


#: Colours of trackers, in the order in which they are given; the line style changes after the last
#: one.
TRACKER_COLORS = (
    '#1f77b4',
    '#d62728',
    '#2ca02c',
    '#ff7f0e',
    '#9467bd',
    '#17becf',
    '#8c564b',
    '#e377c2',
    '#bcbd22',
    '#7f7f7f',
)
_STYLES = ('-', '--', '-.', ':')


@dataclass(frozen=True, eq=False)
class Curve:
    """A line of a plot.

    Attributes:
        label: Name of the tracker.
        x: ``(N,)`` positions.
        y: ``(N,)`` values in [0, 1].
        number: What the legend sorts by; higher is better, nan comes last.
        text: What the legend shows of it.
    """

    label: str
    x: np.ndarray
    y: np.ndarray
    number: float
    text: str


def tracker_color(index: int) -> str:
    """Colour of the tracker at a place in the list, ``#rrggbb``."""
    return TRACKER_COLORS[index % len(TRACKER_COLORS)]


def tracker_bgr(index: int) -> tuple[int, int, int]:
    """The same colour for OpenCV."""
    red, green, blue = (int(tracker_color(index)[at : at + 2], 16) for at in (1, 3, 5))
    return blue, green, red


def draw_curves(curves: Sequence[Curve], title: str, x_label: str, y_label: str) -> Figure:
    """Curves with values in [0, 1]; colours follow the order of ``curves``, the legend their
    numbers.

    Raises:
        ValueError: There is no curve.
    """
    if not curves:
        raise ValueError('no curve to plot')
    figure, axes = new_figure((6.4, 4.8))
    ranked = sorted(
        enumerate(curves), key=lambda entry: -np.nan_to_num(entry[1].number, nan=-np.inf)
    )
    for index, curve in ranked:
        style = _STYLES[index // len(TRACKER_COLORS) % len(_STYLES)]
        label = f'{curve.label} [{curve.text}]'
        axes.plot(curve.x, curve.y, style, color=tracker_color(index), linewidth=2, label=label)
    x = np.concatenate([curve.x for curve in curves])
    axes.set(xlim=(x.min(), x.max()), ylim=(0, 1), xlabel=x_label, ylabel=y_label, title=title)
    axes.grid(alpha=0.3)
    axes.legend(loc='best', fontsize=8 if len(curves) > 6 else None)
    return figure


def draw_bars(
    labels: Sequence[str],
    values: Mapping[str, Sequence[float]],
    title: str,
    x_label: str,
    limit: float,
) -> Figure:
    """Horizontal bars: a group for each label with a bar for each tracker.

    Args:
        labels: Of the groups, from top to bottom.
        values: A number for each label, by tracker; nan draws no bar.
        title: Title of the plot.
        x_label: Below the horizontal axis.
        limit: Right end of the axis, at most; the axis ends a little right of the longest bar.

    Raises:
        ValueError: No label or no tracker.
    """
    if not labels or not values:
        raise ValueError('no bar to plot')
    thickness = 0.8 / len(values)
    rows = len(labels) * (len(values) + 1)
    figure, axes = new_figure((6.4, max(2.4, 1.4 + 0.14 * rows)))
    places = np.arange(len(labels))
    longest = max((value for row in values.values() for value in row if value == value), default=0)
    for index, (tracker, row) in enumerate(values.items()):
        offset = (index - (len(values) - 1) / 2) * thickness
        numbers = np.nan_to_num(np.asarray(row, np.float64))
        color = tracker_color(index)
        axes.barh(places + offset, numbers, 0.9 * thickness, color=color, label=tracker)
    axes.set(xlim=(0, min(limit, 1.1 * longest) or limit), xlabel=x_label, title=title)
    axes.set_yticks(places, labels, fontsize=9)
    axes.invert_yaxis()
    axes.grid(axis='x', alpha=0.3)
    axes.set_axisbelow(True)
    figure.legend(loc='outside lower center', ncols=min(4, len(values)), fontsize=8, frameon=False)
    return figure


def new_figure(size_in: tuple[float, float], dpi: int = 120) -> tuple[Figure, Axes]:
    """A figure with one plot that needs no display."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size_in, dpi=dpi, layout='constrained')
    FigureCanvasAgg(figure)
    return figure, figure.add_subplot()


def figure_bytes(figure: Figure, form: str = 'png') -> bytes:
    """The file content of a figure, ``'png'`` or ``'svg'``; the same figure gives the same
    bytes."""
    import matplotlib

    content = BytesIO()
    with matplotlib.rc_context({'svg.hashsalt': 'usot_plugin', 'svg.fonttype': 'none'}):
        figure.savefig(content, format=form, metadata={'Date': None} if form == 'svg' else None)
    return content.getvalue()
