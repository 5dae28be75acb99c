"""tools/analysis/search_params.py: finds the better setting, goes on where it stopped, says what it
was tuned on, refuses test splits."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.evaluation.tiny_benchmark import TemplateMatcher, write_benchmark
from tests.test_tools_tracking import as_process, one_line, test_tool
from usot_plugin.cli import search_params as search_tool
from usot_plugin.registry import TASK_UTILS

pytest.importorskip('optuna', reason="the search needs Optuna: pip install 'usot_plugin[search]'")


@TASK_UTILS.register_module(force=True)
class ShiftedMatcher(TemplateMatcher):
    """A tracker whose boxes are the better, the nearer its option is to 3."""

    def __init__(self, shift: float = 6.0, steps: int = 2) -> None:
        super().__init__()
        self.shift, self.steps = shift, steps

    def update(self, frames, state):
        prediction, state = super().update(frames, state)
        prediction.boxes_xyxy[:, [0, 2]] += self.shift - 3
        return prediction, state


@pytest.fixture
def config(tmp_path) -> Path:
    file = tmp_path / 'own.py'
    file.write_text(
        "test_cfg = dict(type='SOTTestLoop', tracker=dict(type='ShiftedMatcher', shift=6.0))\n"
    )
    return file


@pytest.fixture
def data(tmp_path) -> Path:
    return write_benchmark(tmp_path / 'videos', tuple('abcd'))


def search(config: Path, data: Path, *more: object) -> int:
    fixed = (
        config,
        'none',
        '--sequences',
        data,
        '--out',
        config.parent / 'search',
        '--space',
        'shift=0.0:12.0',
        'steps=1:4',
    )
    return search_tool.main([str(arg) for arg in (*fixed, *more)])


@pytest.mark.process
def test_search_goes_on_and_says_what_it_was_tuned_on(tmp_path, config, data, capsys, monkeypatch):
    assert search(config, data, '--every', 2, '--trials', 4) == 0
    first = json.loads((tmp_path / 'search' / 'best.json').read_text())
    assert first['trials'] == 4 and first['objective'] == 'sot/success' and first['seed'] == 0
    assert first['tuned_on'] == {'dataset': 'videos', 'sequences': ['a', 'c'], 'test_split': False}
    assert capsys.readouterr().err.count('trial ') == 4
    assert search(config, data, '--every', 2, '--trials', 14) == 0
    assert capsys.readouterr().err.count('trial ') == 10
    row = json.loads((tmp_path / 'search' / 'best.json').read_text())
    assert (
        row['trials'] == 14 and row['value'] >= first['value'] > row['value_of_the_config'] - 1e-9
    )
    assert abs(row['found']['shift'] - 3) < 3 and row['found']['steps'] in (1, 2, 3, 4)
    # A finished search tracks nothing any more.
    monkeypatch.setattr(ShiftedMatcher, 'update', lambda *_: pytest.fail('tracked again'))
    assert search(config, data, '--every', 2, '--trials', 14) == 0


@pytest.mark.process
def test_the_found_config_gives_the_found_number(tmp_path, config, data):
    assert search(config, data, '--only', 'b', 'd', '--trials', 5) == 0
    row = json.loads((tmp_path / 'search' / 'best.json').read_text())
    best = tmp_path / 'search' / 'best.py'
    assert (
        'Tuned on 2 sequences of videos, 5 trials, seed 0: sot/success' in best.read_text()
        and 'Sequences: b, d' in best.read_text()
    )
    arguments = (
        best,
        '--sequences',
        data,
        '--only',
        'b',
        'd',
        '--work-dir',
        tmp_path / 'work',
        '--out',
        tmp_path / 'out',
    )
    assert test_tool.main([str(arg) for arg in arguments]) == 0
    report = json.loads((tmp_path / 'out' / 'ShiftedMatcher' / 'report.json').read_text())
    assert report['totals']['mean']['auc'] == pytest.approx(row['value'])


def test_a_test_split_is_refused_unless_asked_for(tmp_path, config, data, capsys):
    benchmark = data.rename(tmp_path / 'OTB100')
    assert search(config, benchmark, '--every', 2, '--trials', 1) == 2
    assert 'this is a test split (the folder is called like the benchmark OTB100)' in one_line(
        capsys.readouterr().err
    )
    assert not (tmp_path / 'search').exists()
    assert search(config, benchmark, '--every', 2, '--trials', 1, '--allow-test-split') == 0
    assert (
        json.loads((tmp_path / 'search' / 'best.json').read_text())['tuned_on']['test_split']
        is True
    )
    assert 'TUNED ON A TEST SPLIT' in (tmp_path / 'search' / 'best.py').read_text()


@pytest.mark.process
def test_refusals(config, data, capsys):
    assert search(config, data) == 2
    assert 'say which sequences of the folder are for tuning' in one_line(capsys.readouterr().err)
    assert search(config, data, '--every', 2, '--trials', 1) == 0
    capsys.readouterr()
    assert search(config, data, '--every', 3, '--trials', 1) == 2
    assert 'holds another search (different: sequences); choose another --out' in one_line(
        capsys.readouterr().err
    )
    assert search(config, data, '--every', 2, '--trials', 2, '--objective', 'sot/eao') == 2
    assert 'different: objective' in one_line(capsys.readouterr().err)


@pytest.mark.process
def test_as_a_command(tmp_path, data):
    done = as_process(
        'analysis/search_params',
        tmp_path / 'no.py',
        'none',
        '--out',
        'x',
        '--sequences',
        data,
        '--every',
        2,
        cwd=tmp_path,
    )
    assert done.returncode == 2 and 'no.py: no such config' in one_line(done.stderr)
