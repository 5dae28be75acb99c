"""Progress off a terminal: plain lines with a count and a time left, not one for every item."""

from __future__ import annotations

import io

import pytest

from usot_plugin.utils import progress as progress_module
from usot_plugin.utils.cli import exit_status, tool_parser
from usot_plugin.utils.progress import ProgressLines, clock, counted, with_progress


@pytest.fixture
def now(monkeypatch):
    time = [100.0]
    monkeypatch.setattr(progress_module.time, 'perf_counter', lambda: time[0])
    return time


def test_lines_come_now_and_then_with_a_time_left(now):
    stream = io.StringIO()
    progress = ProgressLines(8, stream=stream, every_s=10)
    for _ in range(4):
        now[0] += 6
        progress.advance()
    progress.line('a word')
    progress.close()
    assert stream.getvalue().splitlines() == [
        '2/8 clips, 36.0 s left',
        '4/8 clips, 24.0 s left',
        'a word',
    ]


def test_items_of_an_earlier_run_do_not_count_for_the_time_left(now):
    stream = io.StringIO()
    progress = ProgressLines(8, stream=stream)
    for _ in range(4):
        progress.skip()
    now[0] += 12
    progress.advance()
    assert stream.getvalue() == '5/8 clips, 36.0 s left\n'


def test_without_a_total_there_is_no_time_left(now):
    stream = io.StringIO()
    progress = ProgressLines(None, 'frame', stream=stream)
    now[0] += 12
    progress.advance()
    assert stream.getvalue() == '1 frame\n'


def test_items_are_counted_as_they_are_used(now, capsys):
    for _ in with_progress(range(3), 3, 'frame'):
        now[0] += 11
    lines = ['1/3 frames, 22.0 s left', '2/3 frames, 11.0 s left', '3/3 frames, 0.0 s left']
    assert capsys.readouterr().err.splitlines() == lines


def test_quiet_has_neither_lines_nor_bar():
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    for stream in (io.StringIO(), Terminal()):
        progress = ProgressLines(2, stream=stream, quiet=True, every_s=-1)
        progress.advance()
        progress.close()
        assert stream.getvalue() == ''


@pytest.mark.parametrize(('options', 'lines'), [([], 1), (['--quiet'], 0)])
def test_the_option_of_a_tool_counts(options, lines, capsys):
    tool_parser('A tool.').parse_args(options)
    exit_status(lambda: ProgressLines(1, every_s=-1).advance())
    assert capsys.readouterr().err.count('\n') == lines


@pytest.mark.parametrize(('number', 'words'), [(0, '0 objects'), (1, '1 object'), (2, '2 objects')])
def test_one_is_no_plural(number, words):
    assert counted(number, 'object') == words


@pytest.mark.parametrize(
    ('seconds', 'words'), [(4.21, '4.2 s'), (185, '3:05 min'), (3723, '1:02:03 h')]
)
def test_times_in_words(seconds, words):
    assert clock(seconds) == words
