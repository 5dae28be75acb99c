"""Checks that crash, hang or fail are results; the next one runs in a new process where the old one
was lost."""

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
@pytest.mark.skipif(not Path('/proc').exists(), reason='looks for processes in /proc')
def test_a_check_that_hangs_ends_with_the_run_and_all_that_it_has_started(tmp_path):
    log = tmp_path / 'log'
    (tmp_path / 'run.py').write_text(
        'from usot_plugin.testing.isolated import Worker\n'
        'from tests.testing.test_isolated import _build\n'
        f"if __name__ == '__main__':\n    Worker(_build, {str(log)!r}).run('hang', 600)\n"
    )
    environment = {**os.environ, 'PYTHONPATH': str(Path(__file__).parents[2])}
    run = subprocess.Popen([sys.executable, str(tmp_path / 'run.py')], env=environment)
    wait_for(lambda: log.exists() and 'child ' in log.read_text())
    child = int(log.read_text().split('child ')[1].split()[0])
    checks = int(Path(f'/proc/{child}/stat').read_text().rsplit(')', 1)[1].split()[1])
    run.kill()
    run.wait()
    wait_for(lambda: not alive(child) and not alive(checks))


def alive(pid: int) -> bool:
    try:
        return Path(f'/proc/{pid}/stat').read_text().rsplit(')', 1)[1].split()[0] != 'Z'
    except OSError:
        return False


def wait_for(good) -> None:
    deadline = time.monotonic() + 60
    while not good():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.process
def test_checks_that_cannot_be_built_are_a_result_and_in_the_log(tmp_path):
    worker = Worker(_build_badly, tmp_path / 'log')
    assert worker.run('any', 30) == Outcome('failed: the process ended with status 1')
    assert 'RuntimeError: cannot be built' in (tmp_path / 'log').read_text()
