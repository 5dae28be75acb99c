"""Loss curves of one or several runs, from the scalars that MMEngine's local backend writes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from usot_plugin.utils.atomic import whole_file
from usot_plugin.utils.json_text import parse_json

#: Curves drawn side by side, each where a run has it.
LOSS_NAMES = ('loss_reg', 'loss_cls', 'loss_mem')


class ScalarsError(ValueError):
    """A work folder holds no readable training log."""


def read_scalars(work_dir: str | Path) -> dict[str, np.ndarray]:
    """Training scalars of a work folder; a resumed run is one curve.

    Args:
        work_dir: Folder given to ``tools/train.py --work-dir``.

    Returns:
        Name to ``(N, 2)`` float64: step and value, steps ascending. A step that was run twice
        (after a kill) keeps its last value.

    Raises:
        ScalarsError: No ``*/vis_data/scalars.json`` there, or a line of it is not JSON.
    """
    files = sorted(Path(work_dir).glob('*/vis_data/scalars.json'))
    if not files:
        raise ScalarsError(f'{work_dir}: no */vis_data/scalars.json, so nothing was trained here')
    curves: dict[str, dict[int, float]] = {}
    for file in files:
        for number, line in enumerate(file.read_text().splitlines(), start=1):
            try:
                row = parse_json(line)
            except json.JSONDecodeError as error:
                raise ScalarsError(f'{file}, line {number}: not JSON ({error.msg})') from error
            if 'iter' not in row:  # a validation result
                continue
            for name, value in row.items():
                curves.setdefault(name, {})[int(row['step'])] = float(value)
    return {name: np.array(sorted(values.items())) for name, values in curves.items()}


def plot_losses(runs: Mapping[str, Mapping[str, np.ndarray]], path: str | Path) -> None:
    """Draw the loss curves of all runs into one PNG, one panel a loss.

    Args:
        runs: Legend to what :func:`read_scalars` gives.
        path: File to write.

    Raises:
        ScalarsError: No run has any of :data:`LOSS_NAMES`.
        OSError: The file cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    names = [name for name in LOSS_NAMES if any(name in run for run in runs.values())]
    if not names:
        raise ScalarsError(f'none of {", ".join(LOSS_NAMES)} was logged by {", ".join(runs)}')
    figure = Figure(figsize=(4.6 * len(names), 3.6), dpi=120, layout='constrained')
    FigureCanvasAgg(figure)
    for panel, name in enumerate(names, start=1):
        axes = figure.add_subplot(1, len(names), panel)
        for index, (label, run) in enumerate(runs.items()):
            if name in run:
                axes.plot(
                    run[name][:, 0], run[name][:, 1], label=label, color=f'C{index}', linewidth=1.4
                )
        axes.set_title(name)
        axes.set_xlabel('step')
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
    with whole_file(path) as temporary:
        figure.savefig(temporary)
