"""A campaign of a few cases, and what it has to notice."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.campaign.__main__ import main, table_of
from tests.campaign.kinds import NAMES, WRITERS, Campaign, name_cases
from tests.campaign.processes import Child, Limits, session
from tests.campaign.tools import differences, same_bytes

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(not Path('/proc').exists(), reason='looks for processes in /proc'),
]


@pytest.mark.campaign
def test_a_small_campaign_finds_nothing_wrong(tmp_path, capsys):
    counts = ['--kills', '11', '--pairs', '6', '--disks', '6', '--inputs', '500']
    status = main([*counts, '--out', str(tmp_path / 'campaign')])
    assert status == 0, capsys.readouterr().out


def test_a_child_is_killed_at_the_moment_that_was_asked_for(tmp_path):
    def work() -> int:
        for number in range(5):
            (tmp_path / f'out/{number}').write_text('whole')
        return 3

    (tmp_path / 'out').mkdir()
    limits = Limits(kill_at_change=4, below=tmp_path / 'out')
    assert Child(work, tmp_path / 'log', limits).wait() == -9
    assert len(list((tmp_path / 'out').iterdir())) == 3
    counter = tmp_path / 'changes'
    child = Child(work, tmp_path / 'log', Limits(below=tmp_path / 'out'), counter)
    assert child.wait() == 3
    status = Child(work, tmp_path / 'log', Limits(below=tmp_path / 'out'), counter).wait()
    assert status == 3 and counter.read_text() == '5'
    assert Child(lambda: time.sleep(60), tmp_path / 'log', Limits(kill_after_s=0.2)).wait() == -9


def test_what_a_killed_child_leaves_is_noticed_and_ended(tmp_path, monkeypatch):
    monkeypatch.setattr('tests.campaign.processes.WORKERS_END_S', 1.0)

    def leave() -> int:
        if os.fork() == 0:
            time.sleep(600)
        time.sleep(600)
        return 0

    child = Child(leave, tmp_path / 'log', Limits(kill_after_s=0.5))
    assert child.wait() == -9
    (left,) = child.orphans()
    deadline = time.monotonic() + 10
    while left in session(child.pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert left not in session(child.pid)


def test_what_differs_is_told(tmp_path):
    for name in ('a', 'b'):
        (tmp_path / name / 'out').mkdir(parents=True)
        (tmp_path / name / 'out/x').write_text(name)
    (tmp_path / 'b/out/.y.tmp').write_text('half')
    expected, found = same_bytes(tmp_path / 'a/out'), same_bytes(tmp_path / 'b/out')
    assert differences(found, expected) == 'out/.y.tmp is too much; out/x differs'
    assert differences({}, expected) == 'out/x is missing' and not differences(expected, expected)


def test_a_folder_of_somebody_else_is_left_alone(tmp_path):
    (tmp_path / 'work.txt').write_text('years of it')
    with pytest.raises(FileExistsError, match='no campaign has made it'):
        Campaign(tmp_path, 1)
    assert (tmp_path / 'work.txt').exists()


def test_every_writer_meets_every_name():
    assert len(set(name_cases())) == len(NAMES) * len(WRITERS)


def test_the_table_counts():
    cases = [
        {'kind': 'kill', 'tried': 'crops, 0 workers, after 1 s', 'wrong': ''},
        {'kind': 'kill', 'tried': 'crops, before change 1 of 2', 'wrong': 'x differs'},
        {'kind': 'name', 'tried': "crops: '..'", 'wrong': ''},
    ]
    lines = table_of(cases).splitlines()
    assert lines[2:] == [
        '| killed, then the same command again | crops | 2 | 1 | 1 |',
        '| hostile names | all writers | 1 | 1 | 0 |',
        '| all | | 3 | 2 | 1 |',
    ]
