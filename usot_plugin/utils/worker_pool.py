"""Jobs in worker processes, their results as they end; a job that crashes or hangs costs itself and
nothing else.

A process pool of the standard library is lost as a whole when one worker dies, does not say on
which job, and waits forever for a worker that hangs or is stopped. Here every worker has its own
pipe: a worker that dies or gives no sign of life is replaced, and the others never notice. No
worker outlives the process that started it.
"""

from __future__ import annotations

import contextlib
import multiprocessing as mp
import os
import pickle
import re
import signal
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any

#: A job is given up when it has read no frame and given no result for so long; decoding and
#: tracking one frame takes seconds at most.
TIMEOUT_S = 300.0
#: A job that is silent for so long is told of.
TELL_AFTER_S = 30.0
#: How often workers are looked at.
LOOK_EVERY_S = 0.5
#: A worker may take so long, or the time-out if that is longer, until it takes its first job.
START_S = 300.0
#: A parent that did not look for so long was stopped or busy itself: its workers get their time
#: anew.
PARENT_PAUSE_S = 5.0

#: Signs of life of one worker are at least so far apart.
LIFE_EVERY_S = 0.5

_imported_by = os.getpid()
_wire: _Wire | None = None  # to the parent; None in a process that is no worker


class WorkerStartError(RuntimeError):
    """A worker process ended before it could take a job."""


class WorkerLostError(RuntimeError):
    """A worker process was lost with its job, where a job must not be left out."""


@dataclass(frozen=True)
class LostJob:
    """Stands for the result of a job whose worker died or gave no sign of life.

    Attributes:
        cause: What happened, as the end of a sentence about the worker process.
        timed_out: The worker did not die by itself.
    """

    cause: str
    timed_out: bool = False


def silent_for(seconds: float | None) -> LostJob:
    """A job without a sign of life for so long."""
    return LostJob(f'gave no sign of life for {seconds:g} seconds', timed_out=True)


def sign_of_life() -> None:
    """Say that a job goes on; whatever reads frames does so with every frame.

    Free where the process is no worker."""
    if _wire is not None:
        _wire.sign_of_life()


def run_jobs(
    function: Callable[..., Any],
    jobs: Iterable[tuple[str, tuple]],
    workers: int,
    prepare: Callable[..., Any] | None = None,
    prepare_args: tuple = (),
    timeout_s: float | None = TIMEOUT_S,
    preload: str | None = None,
    on_silent: Callable[[str, float], None] | None = None,
) -> Generator[tuple[str, Any], None, None]:
    """Name and result of each job as it ends; closing the generator ends the workers.

    Args:
        function: Called with the arguments of each job; a module-level function, as ``prepare``.
        jobs: Name and arguments of each job, taken when a worker is free.
        workers: Processes; 0 works in this one, where nothing is timed.
        prepare: Called with ``prepare_args`` once in each process before its first job; not with 0
            workers.
        timeout_s: A job without a sign of life for so long is lost; None waits forever.
        preload: Module that is imported once for all workers, where the system can; a replacement
            then starts in milliseconds.

        on_silent: Told once of a job without a sign of life, with its name and the seconds, long
            before it is given up.

    Yields:
        Name and result; a :class:`LostJob` where the worker was lost.

    Raises:
        WorkerStartError: A worker cannot be started.
        Exception: Whatever ``function`` raised in a worker, with the worker's traceback as its
            cause.
    """
    if workers == 0:
        for name, arguments in jobs:
            yield name, function(*arguments)
        return
    crew = _Crew(function, workers, prepare, prepare_args, timeout_s, preload, on_silent)
    try:
        yield from crew.run(jobs)
    finally:
        crew.end()


@dataclass
class _Worker:
    process: mp.process.BaseProcess
    connection: Connection
    job: tuple[str, tuple] | None
    ready: bool = False
    heard: float = 0.0
    told: bool = False
    stuck_s: float | None = (
        None  # it was killed, because it did not take or give a message for so long
    )


class _Crew:
    """Workers and what each of them does."""

    def __init__(
        self, function, workers, prepare, prepare_args, timeout_s, preload, on_silent
    ) -> None:
        self.on_silent = on_silent or (lambda name, seconds: None)
        self.start = function, prepare, prepare_args
        self.workers, self.timeout_s = workers, timeout_s
        # Not forked from this process: the child of one that has used OpenMP or CUDA can hang.
        # A forked process cannot wait for the server that its parent may have started.
        forked = os.getpid() != _imported_by
        by_server = (
            preload is not None and 'forkserver' in mp.get_all_start_methods() and not forked
        )
        self.context: Any = mp.get_context('forkserver' if by_server else 'spawn')
        if by_server:
            self.context.set_forkserver_preload([preload])
        self.crew: dict[Any, _Worker] = {}
        self.released: list[mp.process.BaseProcess] = []
        self.again: deque[tuple[str, tuple]] = deque()  # jobs that their worker never took

    def run(self, jobs: Iterable[tuple[str, tuple]]) -> Generator[tuple[str, Any], None, None]:
        jobs = iter(jobs)

        def take() -> tuple[str, tuple] | None:
            return self.again.popleft() if self.again else next(jobs, None)

        looked = time.monotonic()
        while True:
            while len(self.crew) < self.workers and (job := take()) is not None:
                self._hire(job)
            if not self.crew:
                return
            heard = wait(list(self.crew), None if self.timeout_s is None else LOOK_EVERY_S)
            now = time.monotonic()
            if now - looked > PARENT_PAUSE_S:
                for worker in self.crew.values():
                    worker.heard = now
            looked = now
            for connection in heard:
                worker = self.crew[connection]
                try:
                    with self._limited(worker):
                        kind, content = worker.connection.recv()
                except (EOFError, OSError):
                    job = self._bury(worker)
                    if job is not None and worker.stuck_s:
                        yield job[0], silent_for(worker.stuck_s)
                    elif job is not None:
                        yield job[0], LostJob(how_it_died(worker.process.exitcode))
                    continue
                worker.heard = now
                if kind == 'life':
                    continue
                if kind == 'ready':
                    worker.ready = True
                    self._give(worker)
                    continue
                assert worker.job is not None
                name, worker.job = worker.job[0], take()
                if worker.job is not None:
                    self._give(worker)
                else:
                    del self.crew[connection]
                    worker.connection.close()  # tells it to end
                    self.released.append(worker.process)
                if kind == 'error':
                    error, text = pickle.loads(content)
                    raise error from RuntimeError(f'in a worker process:\n{text}')
                yield name, content
            for worker, limit_s in self._silent(now):
                worker.stuck_s = limit_s
                worker.process.kill()  # also ends one that was stopped
                job = self._bury(worker)
                assert job is not None
                yield job[0], silent_for(limit_s)

    @contextlib.contextmanager
    def _limited(self, worker: _Worker) -> Iterator[None]:
        """Kill a worker that stops within a message: the pipe breaks, and this process goes on."""
        limit_s = self.timeout_s
        if limit_s is None:
            yield
            return

        def give_up() -> None:
            worker.stuck_s = limit_s
            worker.process.kill()

        timer = threading.Timer(limit_s, give_up)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _hire(self, job: tuple[str, tuple]) -> None:
        if mp.current_process().daemon:
            raise WorkerStartError(
                'a daemonic process (of a multiprocessing.Pool, say) cannot start workers; use 0'
            )
        ours, theirs = self.context.Pipe()
        process = self.context.Process(target=_work, args=(theirs, *self.start), daemon=True)
        process.start()
        theirs.close()
        self.crew[ours] = _Worker(process, ours, job, heard=time.monotonic())

    def _give(self, worker: _Worker) -> None:
        """Send the job; where the worker is gone it stays in the queue, and the next look at its
        pipe finds out."""
        assert worker.job is not None
        worker.heard, worker.told = time.monotonic(), False
        try:
            with self._limited(worker):
                worker.connection.send(worker.job[1])
        except OSError:
            self.again.append(worker.job)
            worker.job = None

    def _silent(self, now: float) -> list[tuple[_Worker, float]]:
        """Workers to be given up, and after how many seconds."""
        if self.timeout_s is None:
            return []
        late = []
        for worker in self.crew.values():
            if worker.job is None:
                continue
            silence = now - worker.heard
            limit_s = self.timeout_s if worker.ready else max(self.timeout_s, START_S)
            if silence > limit_s:
                late.append((worker, limit_s))
            elif (
                worker.ready and silence > min(TELL_AFTER_S, self.timeout_s / 2) and not worker.told
            ):
                worker.told = True
                self.on_silent(worker.job[0], silence)
        return late

    def _bury(self, worker: _Worker) -> tuple[str, tuple] | None:
        """Wait for a dead worker and return the job that died with it."""
        worker.process.join()
        worker.connection.close()
        del self.crew[worker.connection]
        if not worker.ready and not worker.stuck_s:
            code = worker.process.exitcode
            raise WorkerStartError(
                f'a worker process ended with code {code} before its first job; its message is '
                'above'
            )
        return worker.job

    def end(self) -> None:
        """Kill who is left; nobody runs when this returns."""
        for worker in self.crew.values():
            worker.connection.close()
        for process in (*self.released, *(worker.process for worker in self.crew.values())):
            process.kill()
            process.join()


class _Wire:
    """A worker's end of the pipe; results and signs of life may come from several threads."""

    def __init__(self, connection: Connection) -> None:
        self.connection, self.lock, self.last = connection, threading.Lock(), 0.0

    def send(self, kind: str, content: Any = None) -> None:
        with self.lock:
            try:
                self.connection.send((kind, content))
            except BrokenPipeError:  # the parent is gone
                os._exit(1)

    def sign_of_life(self) -> None:
        now = time.monotonic()
        if now - self.last > LIFE_EVERY_S:
            self.last = now
            self.send('life')


def _work(
    connection: Connection, function: Callable, prepare: Callable | None, prepare_args: tuple
) -> None:
    """Main function of a worker process."""
    global _wire
    # Ctrl-C reaches the whole group; the parent ends its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()
    _wire = _Wire(connection)
    if prepare is not None:
        prepare(*prepare_args)
    _wire.send('ready')
    while True:
        try:
            arguments = connection.recv()
        except EOFError:
            return
        try:
            kind, content = 'result', function(*arguments)
        except Exception as error:  # not silent: the parent raises it
            kind, content = 'error', _packed(error)
        _wire.send(kind, content)


def _packed(error: Exception) -> bytes:
    text = traceback.format_exc()
    try:
        pickle.loads(packed := pickle.dumps((error, text)))
    except Exception:  # any: an error class may refuse in any way
        return pickle.dumps((RuntimeError(f'{type(error).__name__}: {error}'), text))
    return packed


def end_with_parent(whole_group: bool = False) -> None:
    """Let this worker process end when the process that started it is gone, whatever ended it.

    Args:
        whole_group: End its process group with it; for a process that leads a group of its own.
    """
    parent = mp.parent_process()
    if parent is None:
        return

    def watch() -> None:
        parent.join()
        if whole_group:
            os.killpg(0, signal.SIGKILL)
        os._exit(1)

    threading.Thread(target=watch, name='end with parent', daemon=True).start()


def how_it_died(exit_code: int | None) -> str:
    """The end of a process in words, from its exit code."""
    if exit_code is None:
        return 'died'
    if exit_code < 0:
        return f'died with {signal.Signals(-exit_code).name}' + (
            ' (out of memory?)' if exit_code == -9 else ''
        )
    return f'died with exit code {exit_code}'


def loader_death(error: BaseException) -> str | None:
    """What PyTorch says of a loader process that died; None where the error says something else.

    An error that a loader process raised and handed over is something else.
    """
    found = None
    known: BaseException | None = error
    while isinstance(known, RuntimeError):
        text = ' '.join(str(known).split()).rstrip('.')
        if not re.match(r'DataLoader worker \(pid', text):
            break
        found = text  # of two, the first to be raised knows the signal
        known = known.__cause__ or known.__context__
    if found is None:
        return None
    found = re.sub(r'^DataLoader worker \(pid(?:\(s\))? ([\d, ]+)\)', r'loader process \1', found)
    return found.replace('is killed by signal: Killed', 'was killed (SIGKILL; out of memory?)')
