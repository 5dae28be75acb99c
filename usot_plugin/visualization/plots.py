"""Success, precision and overlap plots of one or several trackers, drawn without a display."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Plot:
    """What a kind of plot shows.

    Attributes:
        title: Its title.
        x_label: Below the horizontal axis.
        y_label: Beside the vertical axis, which goes from 0 to 1.
        form: Format of the number in the legend.
    """

    title: str
    x_label: str
    y_label: str = 'share of frames'
    form: str = '{:.1f}'


#: Plots by the stem of their file.
PLOTS = {
    'success': Plot('Success', 'overlap threshold'),
    'precision': Plot('Precision', 'centre error threshold (px)'),
    'norm_precision': Plot('Normalised precision', 'centre error threshold (target sizes)'),
    'eao': Plot('Expected average overlap', 'length of the sequence (frames)', 'expected overlap', '{:.3f}'),
}
#: Colours of trackers, in the order in which they are given; the line style changes after the last one.
TRACKER_COLORS = ('#1f77b4', '#d62728', '#2ca02c', '#ff7f0e', '#9467bd', '#17becf', '#8c564b', '#e377c2', '#bcbd22', '#7f7f7f')
_STYLES = ('-', '--', '-.', ':')


@dataclass(frozen=True, eq=False)
class Curve:
    """A line of a plot.

    Attributes:
        label: Name of the tracker.
        x: ``(N,)`` positions.
        y: ``(N,)`` values in [0, 1].
        number: What the legend sorts by and shows, as it is to be read.
    """

    label: str
    x: np.ndarray
    y: np.ndarray
    number: float


def tracker_color(index: int) -> str:
    """Colour of the tracker at a place in the list, ``#rrggbb``."""
    return TRACKER_COLORS[index % len(TRACKER_COLORS)]


def draw_curves(curves: Sequence[Curve], plot: Plot, data: str) -> Figure:
    """One plot of some data; colours follow the order of ``curves``, the legend their numbers.

    Raises:
        ValueError: There is no curve.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    if not curves:
        raise ValueError('no curve to plot')
    figure = Figure(figsize=(6.4, 4.8), dpi=120, layout='constrained')
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for index, curve in sorted(enumerate(curves), key=lambda entry: -entry[1].number):
        style = _STYLES[index // len(TRACKER_COLORS) % len(_STYLES)]
        label = f'{curve.label} [{plot.form.format(curve.number)}]'
        axes.plot(curve.x, curve.y, style, color=tracker_color(index), linewidth=2, label=label)
    x = np.concatenate([curve.x for curve in curves])
    axes.set(xlim=(x.min(), x.max()), ylim=(0, 1), xlabel=plot.x_label, ylabel=plot.y_label)
    axes.set_title(f'{plot.title}, {data}')
    axes.grid(alpha=0.3)
    axes.legend(loc='best', fontsize=8 if len(curves) > 6 else None)
    return figure


def figure_bytes(figure: Figure, form: str = 'png') -> bytes:
    """The file content of a figure, ``'png'`` or ``'svg'``; the same figure gives the same bytes."""
    import matplotlib

    content = BytesIO()
    with matplotlib.rc_context({'svg.hashsalt': 'usot_plugin', 'svg.fonttype': 'none'}):
        figure.savefig(content, format=form, metadata={'Date': None} if form == 'svg' else None)
    return content.getvalue()
