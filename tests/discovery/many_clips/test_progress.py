"""Progress off a terminal: plain lines with a count and a time left, not one for every item."""

from __future__ import annotations

import io

import pytest

from usot_plugin.discovery.many_clips import progress as progress_module
from usot_plugin.discovery.many_clips.progress import ProgressLines, counted


def test_lines_come_now_and_then_with_a_time_left(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(progress_module.time, 'perf_counter', lambda: now[0])
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


def test_quiet_has_no_lines():
    stream = io.StringIO()
    ProgressLines(2, stream=stream, quiet=True, every_s=-1).advance()
    assert stream.getvalue() == ''


@pytest.mark.parametrize(('number', 'words'), [(0, '0 objects'), (1, '1 object'), (2, '2 objects')])
def test_one_is_no_plural(number, words):
    assert counted(number, 'object') == words
