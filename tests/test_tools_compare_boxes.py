"""tools/analysis/compare_boxes.py as a process."""

from __future__ import annotations

import numpy as np
import pytest

from tests.test_tools_tracking import as_process, one_line
from usot_plugin.cli import compare_boxes


def write(folder, name: str, boxes) -> None:
    folder.mkdir(exist_ok=True)
    np.savetxt(folder / f'{name}.txt', np.array(boxes, float), delimiter=',', fmt='%.4f')


@pytest.fixture
def runs(tmp_path):
    still = [[10, 10, 20, 20]] * 4
    for run in ('a', 'b'):
        write(tmp_path / run, 'same', still)
    write(tmp_path / 'a', 'moved', still)
    write(tmp_path / 'b', 'moved', [*still[:2], [20, 10, 20, 20], [np.nan] * 4])
    write(tmp_path / 'a', 'alone', still)
    (tmp_path / 'a' / 'same_time.txt').write_text('0.1\n' * 4)
    return tmp_path


@pytest.mark.process
def test_each_sequence_has_a_row_and_a_low_overlap_is_told_by_the_status(runs):
    done = as_process('analysis/compare_boxes', 'a', 'b', cwd=runs)
    assert done.returncode == 1, done.stderr
    rows = done.stdout.splitlines()[2:]
    # Half of two boxes that are ten of twenty pixels apart: 200 / 600; the box that only one has
    # counts as 0.
    assert rows[0] == f'| moved | 4 | {(2 + 1 / 3) / 4:.4f} | 0.0000 | inf | 2 |'
    assert rows[1] == '| same | 4 | 1.0000 | 1.0000 | 0.0000 | - |'
    assert rows[2] == '2 sequences, 1 left out, 1 below a mean IoU of 0.98'
    assert (
        as_process('analysis/compare_boxes', 'a', 'b', '--least-iou', '0.5', cwd=runs).returncode
        == 0
    )


@pytest.mark.parametrize(
    ('lines', 'message'),
    [(3, '3 lines, and 4 in a'), (0, 'not a result file'), (None, 'no result file of the same')],
)
def test_what_cannot_be_compared_is_one_line(runs, lines, message, capsys, monkeypatch):
    for file in (runs / 'b').iterdir():
        file.unlink()
    if lines is not None:
        (runs / 'b' / 'same.txt').write_text('1,2,3,4\n' * lines or 'text\n')
    monkeypatch.chdir(runs)
    assert compare_boxes.main(['a', 'b']) == 2
    assert message in one_line(capsys.readouterr().err)
