"""Discovery in worker processes of this machine, one clip at a time each."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Generator, Iterable, Sequence

import cv2

from ...utils.worker_pool import TIMEOUT_S, LostJob, WorkerStartError, run_jobs
from ..config import DiscoveryConfig
from .one_clip import ClipResult, ClipTask, guarded, lost

__all__ = ['WorkerStartError', 'available_cpus', 'prepare_worker', 'run_local']


def available_cpus() -> int:
    """CPUs this process may use, which on a shared machine are fewer than there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1


def prepare_worker(imports: Sequence[str] = ()) -> None:
    """Settings of a process that does one clip at a time: one thread, no decoder chatter, and the
    modules the config asks for."""
    import av

    cv2.setNumThreads(1)
    av.logging.set_level(av.logging.PANIC)  # what is wrong with a file is said once, by ClipError
    if 'torch' in sys.modules:
        sys.modules['torch'].set_num_threads(1)
    for name in imports:
        importlib.import_module(name)


def run_local(
    tasks: Iterable[ClipTask],
    config: DiscoveryConfig,
    workers: int | None = None,
    imports: Sequence[str] = (),
    timeout_s: float | None = TIMEOUT_S,
    on_silent: Callable[[str, float], None] | None = None,
) -> Generator[ClipResult, None, None]:
    """Do all tasks in worker processes; results come in the order in which they are finished.

    Args:
        tasks: The clips.
        config: Discovery config.
        workers: Number of processes, one per CPU by default; 0 works in this one, where a decoder
            that crashes or hangs does so to the run.
        imports: Modules every worker imports first (they register flow estimators of the user).
        timeout_s: A clip of which no frame comes for so long is given up; None waits forever.
        on_silent: Told of such a clip, and for how many seconds, before it is given up.

    Raises:
        WorkerStartError: No worker can be started.
    """
    waiting = {str(number): task for number, task in enumerate(tasks)}
    if workers == 0:
        prepare_worker(imports)
        yield from (guarded(task, config) for task in waiting.values())
        return
    told = on_silent or (lambda clip, seconds: None)
    results = run_jobs(
        guarded,
        ((number, (task, config)) for number, task in waiting.items()),
        available_cpus() if workers is None else workers,
        prepare_worker,
        (tuple(imports),),
        timeout_s,
        preload=__name__,
        on_silent=lambda number, seconds: told(waiting[number].clip, seconds),
    )
    try:
        for number, result in results:
            task = waiting[number]
            yield lost(task, config, result) if isinstance(result, LostJob) else result
    finally:
        results.close()
