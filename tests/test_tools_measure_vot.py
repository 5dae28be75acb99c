"""``tools/analysis/measure_vot.py`` as a process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).parents[1] / 'tools' / 'analysis' / 'measure_vot.py'


@pytest.mark.process
def test_every_rule_and_style_is_timed():
    command = [
        sys.executable,
        str(TOOL),
        '--frames',
        '20',
        '--sequences',
        '2',
        '--repetitions',
        '2',
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines if 'us/frame' in line][:4] == [
        'toolkit',
        'pysot',
        'exact',
        'fillPoly',
    ]
    assert [line.split()[0] for line in lines if 'A, R and EAO' in line] == ['pysot', 'toolkit']
    assert all(float(line.split()[1]) >= 0 for line in lines)


@pytest.mark.process
def test_counts_below_one_are_refused():
    done = subprocess.run(
        [sys.executable, str(TOOL), '--frames', '0'], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, '')
    assert done.stderr == 'error: counts are at least 1, got 0, 60 and 15\n'
