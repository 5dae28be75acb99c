"""Jobs in worker processes, their results as they end."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from itertools import islice
from typing import Any


def run_jobs(
    function: Callable[..., Any],
    jobs: Iterable[tuple[str, tuple]],
    workers: int,
    prepare: Callable[..., Any] | None = None,
    prepare_args: tuple = (),
) -> Iterator[tuple[str, Any]]:
    """Name and result of each job as it ends; few jobs are under way at a time, so that results do not pile up.

    Args:
        function: Called with the arguments of each job; a module-level function, as ``prepare``.
        jobs: Name and arguments of each job, taken when there is room for it.
        workers: Processes; 0 works in this one.
        prepare: Called with ``prepare_args`` once in each process before its first job; not with 0 workers.

    Raises:
        BrokenProcessPool: A worker died; what came before is done.
    """
    if workers == 0:
        for name, arguments in jobs:
            yield name, function(*arguments)
        return
    jobs = iter(jobs)
    context = multiprocessing.get_context('spawn')  # a forked child of a process that has used OpenMP or CUDA can hang
    with ProcessPoolExecutor(workers, context, prepare, prepare_args) as pool:
        running: dict[Future, str] = {}
        while True:
            for name, arguments in islice(jobs, 2 * workers - len(running)):
                running[pool.submit(function, *arguments)] = name
            if not running:
                return
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                yield running.pop(future), future.result()
