"""Run a tracker over sequences into result files: finished ones are skipped, several may run side
by side."""

from __future__ import annotations

import logging
import pickle
from collections.abc import Callable, Iterable
from contextlib import closing
from typing import Any

import torch
from mmengine.logging import print_log

from usot_plugin.datasets.benchmarks.sequence import AnnotatedSequence
from usot_plugin.evaluation.protocols.base import Protocol
from usot_plugin.evaluation.results.result_files import ResultFolder
from usot_plugin.evaluation.running.side_by_side import track_side_by_side
from usot_plugin.tracking.base import TargetBoxError, Tracker
from usot_plugin.utils.worker_pool import TIMEOUT_S, LostJob, WorkerLostError, run_jobs

#: Called after each sequence: its name, and frames per second of its updates, None where it had
#: been finished before.
Report = Callable[[str, 'float | None'], None]


def run_sequences(
    tracker: Tracker,
    protocol: Protocol,
    sequences: Iterable[AnnotatedSequence],
    folder: ResultFolder,
    workers: int = 0,
    threads: int | None = None,
    on_done: Report | None = None,
    batch_sequences: int = 1,
    timeout_s: float | None = TIMEOUT_S,
) -> None:
    """Write the result files of every sequence that has none yet.

    Args:
        tracker: The tracker; with ``workers`` it is pickled once for each of them.
        protocol: The rule book.
        sequences: What to run on.
        folder: Where the results go.
        workers: Processes that run sequences side by side; 0 runs in this one.
        threads: Threads of PyTorch in each process; None leaves this process as it is and gives a
            worker one.
        on_done: Called in this process after each sequence.
        batch_sequences: Sequences that are tracked as one batch in this process, with the same
            boxes as one after the other. Under a protocol that is more than one pass (resets,
            several starts) they are tracked one by one, and a warning says so.
        timeout_s: With workers: a sequence of which no frame is read for so long ends the run with
            its name; None waits forever.

    Raises:
        ValueError: Both ``workers`` and ``batch_sequences`` ask for several sequences at once.
        ClipError: A frame cannot be decoded; sequences that are done stay.
        ResultError: The folder cannot be written to.
        WorkerLostError: A worker died, or gave no sign of life for minutes.
    """
    done = on_done or (lambda name, fps: None)
    todo = _unfinished(sequences, folder, done)
    if batch_sequences > 1 and workers > 0:
        raise ValueError(
            f'{workers} worker processes and batches of {batch_sequences} sequences do not go '
            'together; choose one of them'
        )
    alone = _why_alone(tracker, protocol) if batch_sequences > 1 else None
    if alone:
        print_log(
            f'sequences are tracked one by one, not as batches: {alone}',
            logger='current',
            level=logging.WARNING,
        )
    elif batch_sequences > 1:
        with _threads(threads):
            for sequence, trajectory in track_side_by_side(tracker, todo, batch_sequences):
                done(
                    sequence.name,
                    _write(protocol, sequence, folder, protocol.from_pass(trajectory)),
                )
        return
    if workers <= 0:
        with _threads(threads):
            for sequence in todo:
                done(sequence.name, _run_one(tracker, protocol, sequence, folder))
        return
    payload = pickle.dumps((tracker, protocol, folder))
    jobs = ((sequence.name, (sequence,)) for sequence in todo)
    with closing(
        run_jobs(_run_in_worker, jobs, workers, _start_worker, (payload, threads or 1), timeout_s)
    ) as results:
        for name, result in results:
            if isinstance(result, LostJob):
                raise WorkerLostError(
                    f'{name}: the worker process that ran it {result.cause}; finished sequences '
                    'stay'
                )
            done(name, result)


def _unfinished(
    sequences: Iterable[AnnotatedSequence], folder: ResultFolder, done: Report
) -> Iterable[AnnotatedSequence]:
    for sequence in sequences:
        if folder.unfinished_reason(sequence) is None:
            done(sequence.name, None)
        else:
            yield sequence


def _why_alone(tracker: Tracker, protocol: Protocol) -> str | None:
    """Why sequences cannot be tracked as a batch; None where they can."""
    if not protocol.batchable:
        return f'{type(protocol).__name__} is not one pass over a sequence'
    if type(tracker).for_run is not Tracker.for_run:
        return f'{type(tracker).__name__} is told the annotation of each sequence'
    if tracker.stochastic:
        return f'{type(tracker).__name__} is stochastic: a protocol may run it several times'
    return None


def _run_one(
    tracker: Tracker, protocol: Protocol, sequence: AnnotatedSequence, folder: ResultFolder
) -> float:
    try:
        result = protocol.run(tracker, sequence)
    except TargetBoxError as error:
        raise TargetBoxError(f'{sequence.name}: {error}') from error
    return _write(protocol, sequence, folder, result)


def _write(
    protocol: Protocol, sequence: AnnotatedSequence, folder: ResultFolder, result: Any
) -> float:
    """Write a result and return the frames per second of its updates."""
    folder.write(sequence.name, result)
    updates, seconds = protocol.updates_and_seconds(result)
    return updates / seconds if seconds > 0 else float('nan')


class _threads:
    """Sets PyTorch's threads for a block and puts the former number back."""

    def __init__(self, count: int | None) -> None:
        self.count = count

    def __enter__(self) -> None:
        self.before = torch.get_num_threads()
        if self.count is not None:
            torch.set_num_threads(self.count)

    def __exit__(self, *error: object) -> None:
        torch.set_num_threads(self.before)


_worker: dict[str, Any] = {}


def _start_worker(payload: bytes, threads: int) -> None:
    import usot_plugin  # noqa: F401  registers what the pickle may name

    torch.set_num_threads(threads)
    _worker['job'] = pickle.loads(payload)


def _run_in_worker(sequence: AnnotatedSequence) -> float:
    tracker, protocol, folder = _worker['job']
    return _run_one(tracker, protocol, sequence, folder)
