"""Loss curves from MMEngine's scalars."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from usot_plugin.testing.tools import run_tool_main
from usot_plugin.visualization.loss_curves import ScalarsError, plot_losses, read_scalars

TOOL = Path(__file__).parents[2] / 'tools' / 'analysis' / 'plot_losses.py'


def write_run(folder, stamp, rows):
    path = folder / stamp / 'vis_data' / 'scalars.json'
    path.parent.mkdir(parents=True)
    path.write_text('\n'.join(json.dumps(row) for row in rows))


def test_a_resumed_run_is_one_curve(tmp_path):
    write_run(
        tmp_path,
        '1',
        [{'loss_reg': 3.0, 'iter': 1, 'step': 1}, {'loss_reg': 2.5, 'iter': 2, 'step': 2}],
    )
    write_run(
        tmp_path,
        '2',
        [
            {'loss_reg': 2.0, 'iter': 2, 'step': 2},
            {'sot/success': 12.0, 'step': 1},
            {'loss_reg': 1.0, 'iter': 3, 'step': 3},
        ],
    )
    assert read_scalars(tmp_path)['loss_reg'].tolist() == [[1, 3], [2, 2], [3, 1]]


def test_plot_has_a_panel_for_each_loss(tmp_path):
    curve = np.array([[0.0, 2], [10, 1]])
    sizes = []
    for runs in (
        {'naive': {'loss_reg': curve}},
        {'naive': {'loss_reg': curve}, 'cycle': {'loss_reg': curve, 'loss_mem': curve / 2}},
    ):
        plot_losses(runs, tmp_path / 'losses.png')
        sizes.append(cv2.imread(str(tmp_path / 'losses.png')).shape[1])
    assert sizes[1] == 2 * sizes[0]


def test_nothing_to_draw_is_named(tmp_path):
    with pytest.raises(ScalarsError, match='nothing was trained'):
        read_scalars(tmp_path)
    with pytest.raises(ScalarsError, match='run a'):
        plot_losses({'run a': {'lr': np.zeros((1, 2))}}, tmp_path / 'no.png')
    assert not list(tmp_path.iterdir())


@pytest.mark.process
def test_tool(tmp_path):
    write_run(tmp_path / 'a', '1', [{'loss_cls': 3.0, 'iter': 1, 'step': 1}])
    done = subprocess.run(
        [sys.executable, TOOL, tmp_path / 'a', '--out', tmp_path / 'x.png'],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0 and (tmp_path / 'x.png').exists(), done.stderr


def test_a_folder_without_losses_is_refused_in_one_line(tmp_path, capsys):
    assert run_tool_main(TOOL, tmp_path / 'b', '--out', tmp_path / 'y.png') == 2
    assert capsys.readouterr().err.count('\n') == 1
