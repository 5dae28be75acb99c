"""Many sequences as one batch of a tracker: a finished sequence is replaced by the next one."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from usot_plugin.datasets.benchmarks.sequence import AnnotatedSequence
from usot_plugin.evaluation.protocols.pass_record import PassRecord
from usot_plugin.structures.clip import ClipError
from usot_plugin.structures.trajectory import Trajectory
from usot_plugin.tracking.base import Tracker


class _Lane:
    """One sequence of the batch; its next frame is decoded in the background while the tracker
    works on the present one."""

    def __init__(self, sequence: AnnotatedSequence, readers: ThreadPoolExecutor) -> None:
        self.sequence, self._readers = sequence, readers
        self.record = PassRecord(sequence)
        self._frames = sequence.clip.iter_frames()
        self._next: Future[tuple[int, np.ndarray] | None] = readers.submit(next, self._frames, None)

    def take(self) -> np.ndarray:
        """The frame that is due; the one after it begins to be decoded.

        Raises:
            ClipError: It cannot be decoded, or the clip ends early.
        """
        found = self._next.result()
        if found is None:
            raise ClipError(
                self.sequence.clip.path,
                f'ends after {self.record.frames} of {len(self.sequence)} frames',
            )
        if self.record.frames + 1 < len(self.sequence):
            self._next = self._readers.submit(next, self._frames, None)
        return found[1]

    @property
    def finished(self) -> bool:
        return self.record.frames == len(self.sequence)


def track_side_by_side(
    tracker: Tracker, sequences: Iterable[AnnotatedSequence], batch: int
) -> Iterator[tuple[AnnotatedSequence, Trajectory]]:
    """One pass over each sequence, ``batch`` of them at a time; each is given out as soon as it
    ends.

    ``init`` is called for one target at a time, ``update`` for all at once. ``seconds`` of a
    trajectory: the time of a batched update divided by its targets, so that ``frames / seconds`` is
    what the device gets done, not how long one frame waits. Decoding is not part of it.

    Args:
        tracker: Its :meth:`Tracker.select` and :meth:`Tracker.concat` take the batch apart.
        sequences: Taken one by one, when there is room; begin with the longest, so that the batch
            stays full.
        batch: Sequences at once.

    Raises:
        ClipError: A frame cannot be decoded.
        ValueError: The tracker cannot start from an annotated box, or its state cannot be taken
            apart; the message names the sequence.
    """
    waiting = iter(sequences)
    lanes: list[_Lane] = []
    state = None
    with ThreadPoolExecutor(
        min(batch, os.cpu_count() or 1), thread_name_prefix='frames'
    ) as readers:
        while True:
            lanes, state = _fill(tracker, lanes, state, waiting, batch, readers)
            if not lanes:
                return
            # A sequence of one frame is finished by its start
            if not any(lane.finished for lane in lanes):
                state = _step(tracker, lanes, state)
            yield from (
                (lane.sequence, lane.record.trajectory()) for lane in lanes if lane.finished
            )
            left = [index for index, lane in enumerate(lanes) if not lane.finished]
            if len(left) < len(lanes):
                state = tracker.select(state, left) if left else None
                lanes = [lanes[index] for index in left]


def _fill(
    tracker: Tracker,
    lanes: list[_Lane],
    state,
    waiting: Iterator[AnnotatedSequence],
    batch: int,
    readers: ThreadPoolExecutor,
) -> tuple[list[_Lane], object]:
    """Start sequences until the batch is full or none is waiting."""
    fresh: list[_Lane] = []
    while len(lanes) + len(fresh) < batch and (sequence := next(waiting, None)) is not None:
        fresh.append(_Lane(sequence, readers))
    if not fresh:
        return lanes, state
    states = [] if state is None else [state]
    for lane in fresh:
        frame = lane.take()
        start = time.perf_counter()
        try:
            states.append(tracker.init(frame, lane.sequence.boxes_xyxy[:1]))
        except ValueError as error:
            raise ValueError(f'{lane.sequence.name}: {error}') from error
        lane.record.started(time.perf_counter() - start)
    return lanes + fresh, tracker.concat(states)


def _step(tracker: Tracker, lanes: list[_Lane], state):
    """The next frame of every lane; returns the new state."""
    frames = [lane.take() for lane in lanes]
    start = time.perf_counter()
    prediction, state = tracker.update(frames, state)
    seconds = (time.perf_counter() - start) / len(lanes)
    for target, lane in enumerate(lanes):
        lane.record.updated(prediction, target, seconds)
    return state
