"""Jobs in processes: what crashes, hangs or is killed costs its job, and nobody outlives the
process that started it."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from usot_plugin.utils import worker_pool
from usot_plugin.utils.worker_pool import LostJob, WorkerStartError, run_jobs, sign_of_life

REPO = Path(__file__).resolve().parents[2]


def deed(what: str, argument: float = 0) -> str:
    if what == 'abort':
        os.abort()
    if what == 'hang':
        time.sleep(3600)
    if what == 'stop':
        os.kill(os.getpid(), signal.SIGSTOP)
    if what == 'half a result':
        os.write(worker_pool._wire.connection.fileno(), (1 << 20).to_bytes(4, 'big') + b'half')
        os.kill(os.getpid(), signal.SIGSTOP)
    if what == 'slow':
        for _ in range(int(argument * 10)):
            time.sleep(0.1)
            sign_of_life()
    if what == 'raise':
        raise KeyError('a bug')
    return what


def stop_the_first(folder: str) -> None:
    """Preparation of a worker: the first of all is stopped in it."""
    try:
        Path(folder, 'first').touch(exist_ok=False)
    except FileExistsError:
        return
    os.kill(os.getpid(), signal.SIGSTOP)


def outcomes(deeds, workers, **options):
    jobs = (
        (f'{number}', one if isinstance(one, tuple) else (one,)) for number, one in enumerate(deeds)
    )
    return dict(run_jobs(deed, jobs, workers, **options))


@pytest.fixture
def new_children():
    """Children that the test has begun; loaders of other tests may still have theirs."""
    before = set(multiprocessing.active_children())
    return lambda: set(multiprocessing.active_children()) - before


@pytest.mark.process
@pytest.mark.parametrize('workers', [0, 1, 3])
def test_every_job_is_done_once(workers):
    assert outcomes(['fine'] * 5, workers) == {str(number): 'fine' for number in range(5)}
    assert outcomes([], workers) == {}


@pytest.mark.process
@pytest.mark.skipif(sys.platform == 'win32', reason='signals of POSIX')
@pytest.mark.parametrize('workers', [1, 2])
def test_a_lost_worker_costs_its_job(workers, new_children):
    told = []
    done = outcomes(
        ['fine', 'abort', 'fine', 'hang', 'stop', 'fine'],
        workers,
        timeout_s=2.0,
        on_silent=lambda *what: told.append(what[0]),
    )
    assert [done[key] for key in '025'] == ['fine'] * 3
    assert done['1'] == LostJob('died with SIGABRT')
    assert done['3'] == done['4'] == LostJob('gave no sign of life for 2 seconds', timed_out=True)
    assert set(told) == {'3', '4'} and new_children() == set()


@pytest.mark.process
@pytest.mark.skipif(sys.platform == 'win32', reason='signals of POSIX')
def test_a_worker_that_is_stopped_within_its_result_costs_its_job(new_children):
    done = outcomes(['half a result', 'fine'], 1, timeout_s=2.0)
    assert done == {
        '0': LostJob('gave no sign of life for 2 seconds', timed_out=True),
        '1': 'fine',
    }
    assert new_children() == set()


@pytest.mark.process
@pytest.mark.skipif(sys.platform == 'win32', reason='signals of POSIX')
def test_a_worker_that_is_stopped_before_its_first_job_costs_that(tmp_path, monkeypatch):
    monkeypatch.setattr(worker_pool, 'START_S', 40.0)
    options = dict(prepare=stop_the_first, prepare_args=(str(tmp_path),), timeout_s=2.0)
    done = outcomes(['fine', 'fine'], 1, **options)
    assert done == {
        '0': LostJob('gave no sign of life for 40 seconds', timed_out=True),
        '1': 'fine',
    }


@pytest.mark.process
def test_a_long_job_that_gives_signs_of_life_is_left_alone():
    assert outcomes([('slow', 3)], 1, timeout_s=1.5) == {'0': 'slow'}


@pytest.mark.process
def test_what_a_job_raises_is_raised_with_its_traceback(new_children):
    with pytest.raises(KeyError, match='a bug') as caught:
        outcomes(['fine', 'raise'], 1)
    assert "raise KeyError('a bug')" in str(caught.value.__cause__)
    assert new_children() == set()


@pytest.mark.process
def test_workers_that_cannot_start():
    with pytest.raises(WorkerStartError, match='before its first job'):
        outcomes(['fine'], 1, prepare=os._exit, prepare_args=(3,))


@pytest.mark.process
@pytest.mark.skipif(not Path('/proc').exists(), reason='looks for processes in /proc')
def test_no_worker_outlives_a_killed_parent(tmp_path):
    (tmp_path / 'jobs.py').write_text(
        'import os, time\nfrom usot_plugin.utils.worker_pool import run_jobs\n'
        "def job(folder):\n    open(os.path.join(folder, f'pid_{os.getpid()}'), 'w').close()\n   "
        ' time.sleep(3600)\n'
        f"if __name__ == '__main__':\n    list(run_jobs(job, [(str(n), ({str(tmp_path)!r},)) for "
        'n in range(2)], 2))\n'
    )
    parent = subprocess.Popen(
        [sys.executable, str(tmp_path / 'jobs.py')], env={**os.environ, 'PYTHONPATH': str(REPO)}
    )
    pids = wait_for(
        lambda: [int(file.name[4:]) for file in tmp_path.glob('pid_*')],
        lambda found: len(found) == 2,
    )
    parent.kill()
    parent.wait()
    wait_for(lambda: [pid for pid in pids if alive(pid)], lambda left: not left)


def alive(pid: int) -> bool:
    try:
        return Path(f'/proc/{pid}/stat').read_text().rsplit(')', 1)[1].split()[0] != 'Z'
    except OSError:
        return False


def wait_for(look, good):
    for _ in range(3000):
        found = look()
        if good(found):
            return found
        time.sleep(0.1)
    raise AssertionError(f'still {found} after five minutes')
