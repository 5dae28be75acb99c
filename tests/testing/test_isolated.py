"""Checks that crash, hang or fail are results; the next one runs in a new process where the old one was lost."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from usot_plugin.testing.isolated import Checks, NotHereError, Outcome, Worker


def _hang() -> Outcome:
    child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])
    print(f'child {child.pid}', flush=True)
    time.sleep(600)
    raise AssertionError


def _fail() -> Outcome:
    raise ValueError('what went\nwrong')


def _not_here() -> Outcome:
    raise NotHereError('needs a GPU')


def _build() -> Checks:
    return {
        'crash': os.abort,
        'hang': _hang,
        'fail': _fail,
        'not_here': _not_here,
        'process': lambda: Outcome('ok', float(os.getpid())),
    }


def _build_badly() -> Checks:
    raise RuntimeError('cannot be built')


@pytest.fixture
def worker(tmp_path):
    worker = Worker(_build, tmp_path / 'log')
    yield worker
    worker.close()


@pytest.mark.process
def test_a_check_that_crashes_hangs_or_fails_does_not_end_the_run(worker, tmp_path):
    first = worker.run('process', 30)
    assert first.result == 'ok' and first.number != os.getpid()
    assert worker.run('fail', 30) == Outcome('failed: ValueError: what went wrong')
    assert worker.run('not_here', 30) == Outcome('skipped: needs a GPU')
    assert worker.run('process', 30) == first, 'the same process goes on'
    assert worker.run('crash', 30) == Outcome('failed: the process ended with status -6')
    assert worker.run('hang', 2) == Outcome('failed: no result within 2 s')
    assert worker.run('process', 30).number not in (None, first.number)
    log = (tmp_path / 'log').read_text()
    assert 'Traceback' in log and 'ValueError: what went' in log
    child = int(log.split('child ')[1].split()[0])
    assert (
        not Path(f'/proc/{child}').exists()
        or 'Z' in Path(f'/proc/{child}/stat').read_text().split()[2]
    )


@pytest.mark.process
def test_checks_that_cannot_be_built_are_a_result_and_in_the_log(tmp_path):
    worker = Worker(_build_badly, tmp_path / 'log')
    assert worker.run('any', 30) == Outcome('failed: the process ended with status 1')
    assert 'RuntimeError: cannot be built' in (tmp_path / 'log').read_text()
