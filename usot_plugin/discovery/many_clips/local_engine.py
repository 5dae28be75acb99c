"""Worker processes of this machine, one clip at a time each.

A process pool of the standard library is lost as a whole when one worker dies, and does not say on which task. Here every worker has its
own pipe, so that a decoder that aborts costs exactly the clip it was reading; the worker is replaced and the others never notice.
"""

from __future__ import annotations

import importlib
import multiprocessing as mp
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any

import cv2

from ..config import DiscoveryConfig
from .one_clip import ClipResult, ClipTask, crashed, guarded

_READY = 'ready'


class WorkerStartError(RuntimeError):
    """A worker process ended before it could take a clip."""


def available_cpus() -> int:
    """CPUs this process may use, which on a shared machine are fewer than there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1


def prepare_worker(imports: Sequence[str] = ()) -> None:
    """Settings of a process that does one clip at a time: one thread, no decoder chatter, and the modules the config asks for."""
    import av

    cv2.setNumThreads(1)
    av.logging.set_level(av.logging.PANIC)  # what is wrong with a file is said once, by ClipError
    if 'torch' in sys.modules:
        sys.modules['torch'].set_num_threads(1)
    for name in imports:
        importlib.import_module(name)


def _work(connection: Connection, config: DiscoveryConfig, imports: Sequence[str]) -> None:
    """Main function of a worker process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent ends its workers
    threading.Thread(target=_end_with_parent, daemon=True).start()
    prepare_worker(imports)
    connection.send(_READY)
    while True:
        try:
            task = connection.recv()
        except EOFError:
            return
        connection.send(guarded(task, config))


def _end_with_parent() -> None:
    """Leave no orphan that goes on for a clip nobody will save."""
    parent = mp.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


@dataclass
class _Worker:
    process: mp.process.BaseProcess
    connection: Connection
    task: ClipTask | None = None
    ready: bool = False


def run_local(
    tasks: Iterable[ClipTask], config: DiscoveryConfig, workers: int | None = None, imports: Sequence[str] = ()
) -> Generator[ClipResult, None, None]:
    """Do all tasks in worker processes; results come in the order in which they are finished.

    Args:
        tasks: The clips.
        config: Discovery config.
        workers: Number of processes, one per CPU by default; 0 works in this one, where a crash of the decoder is a crash of the run.
        imports: Modules every worker imports first (they register flow estimators of the user).

    Raises:
        WorkerStartError: No worker can be started.
    """
    waiting = deque(tasks)
    if workers == 0:
        prepare_worker(imports)
        yield from (guarded(task, config) for task in waiting)
        return
    workers = available_cpus() if workers is None else workers
    context = mp.get_context('forkserver' if 'forkserver' in mp.get_all_start_methods() else 'spawn')
    if context.get_start_method() == 'forkserver':
        context.set_forkserver_preload([__name__])  # a replacement then starts in milliseconds
    crew: dict[Any, _Worker] = {}
    try:
        for _ in range(min(workers, len(waiting))):
            worker = _hire(context, config, imports)
            crew[worker.connection] = worker
        while crew:
            for heard in wait(list(crew)):
                worker = crew[heard]
                try:
                    message = worker.connection.recv()
                except (EOFError, OSError):
                    del crew[heard]
                    lost = _bury(worker)
                    if lost is not None:
                        yield crashed(lost, config, worker.process.exitcode)
                    if waiting:
                        replacement = _hire(context, config, imports)
                        crew[replacement.connection] = replacement
                    continue
                worker.ready, worker.task = True, None
                if waiting:
                    _give(worker, waiting)
                else:
                    del crew[heard]
                    worker.connection.close()
                if isinstance(message, ClipResult):
                    yield message
    finally:
        for worker in crew.values():
            worker.process.kill()
            worker.process.join()
            worker.connection.close()


def _hire(context, config: DiscoveryConfig, imports: Sequence[str]) -> _Worker:
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(theirs, config, tuple(imports)), daemon=True)
    process.start()
    theirs.close()
    return _Worker(process, ours)


def _give(worker: _Worker, waiting: deque[ClipTask]) -> None:
    """Send the next task; it stays in the queue where the worker is gone, which the next look at its pipe will find."""
    worker.task = waiting.popleft()
    try:
        worker.connection.send(worker.task)
    except OSError:
        waiting.appendleft(worker.task)
        worker.task = None


def _bury(worker: _Worker) -> ClipTask | None:
    """Wait for a dead worker and return the task that died with it."""
    worker.process.join()
    worker.connection.close()
    if not worker.ready:
        raise WorkerStartError(f'a worker process ended with code {worker.process.exitcode} before its first clip; its message is above')
    return worker.task
