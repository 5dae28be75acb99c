"""Success and precision plots of one or several trackers, drawn without a display."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from usot_plugin.utils.atomic import whole_file

#: Key of the curve in a report, title, axis label, key of the thresholds, key and format of the number in the legend.
PLOTS = {
    'success': ('success', 'Success', 'overlap threshold', 'success', 'auc'),
    'precision': ('precision_px', 'Precision', 'centre error threshold (px)', 'precision_px', 'precision_20px'),
    'norm_precision': (
        'normalised_precision',
        'Normalised precision',
        'centre error threshold (target sizes)',
        'normalised_precision',
        'norm_precision_auc',
    ),
}
_STYLES = ('-', '--', '-.', ':')


def plot_reports(reports: Sequence[Mapping[str, Any]], folder: str | Path) -> list[Path]:
    """Draw ``success.png``, ``precision.png`` and ``norm_precision.png``.

    Args:
        reports: What :meth:`OnePassReport.as_dict` gives (the content of ``report.json``), one a tracker, all on the same data.
        folder: Where the files go.

    Returns:
        The three paths.

    Raises:
        ValueError: No report, or reports of different data or conventions.
        OSError: The folder cannot be written to.
    """
    if not reports:
        raise ValueError('no report to plot')
    kinds = {(report['dataset'], report['convention']) for report in reports}
    if len(kinds) > 1:
        raise ValueError(f'reports of different data or conventions do not go into one plot: {sorted(kinds)}')
    return [_plot(reports, Path(folder) / f'{name}.png', *parts) for name, parts in PLOTS.items()]


def _plot(reports: Sequence[Mapping[str, Any]], path: Path, curve: str, title: str, label: str, thresholds: str, number: str) -> Path:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.8), dpi=120, layout='constrained')
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    ranked = sorted(reports, key=lambda report: -report['mean'][number])
    for index, report in enumerate(ranked):
        x, y = np.array(report['thresholds'][thresholds]), np.array(report['mean']['curves'][curve])
        style = _STYLES[index // 10 % len(_STYLES)]
        axes.plot(x, y, style, linewidth=2, label=f'{report["tracker"]} [{100 * report["mean"][number]:.1f}]')
    axes.set(xlim=(x[0], x[-1]), ylim=(0, 1), xlabel=label, ylabel='share of frames')
    axes.set_title(f'{title}, {ranked[0]["dataset"]} ({len(ranked[0]["sequences"])} sequences)')
    axes.grid(alpha=0.3)
    axes.legend(loc='lower left' if curve == 'success' else 'lower right')
    with whole_file(path) as temporary:
        figure.savefig(temporary)
    return path
