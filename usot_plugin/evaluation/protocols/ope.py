"""One-pass evaluation."""

from __future__ import annotations

import time
from pathlib import Path

from usot_plugin.datasets.benchmarks.sequence import AnnotatedSequence
from usot_plugin.evaluation.results.result_files import OnePassResults
from usot_plugin.registry import TASK_UTILS
from usot_plugin.structures.trajectory import Trajectory
from usot_plugin.tracking.base import Tracker

from .base import Protocol
from .pass_record import PassRecord


@TASK_UTILS.register_module()
class OPE(Protocol):
    """Start from the annotation of the first frame and run to the end, whatever happens on the way.

    Reference:
        OTB (Wu et al., TPAMI 2015), Sec. 4.
    """

    name = 'ope'
    batchable = True

    def run(self, tracker: Tracker, sequence: AnnotatedSequence) -> Trajectory:
        """Drive ``tracker`` over ``sequence``.

        Returns:
            One entry a frame. Entry 0 is the annotation; a box that is not finite is nan.
            ``seconds`` holds the time of ``init`` and of each ``update``, without decoding.

        Raises:
            ClipError: A frame cannot be decoded.
            ValueError: The tracker cannot start from the first box.
        """
        return one_pass(tracker, sequence)

    def result_folder(self, path: str | Path) -> OnePassResults:
        """See :meth:`Protocol.result_folder`."""
        return OnePassResults(path)

    def updates_and_seconds(self, result: Trajectory) -> tuple[int, float]:
        """See :meth:`Protocol.updates_and_seconds`."""
        return len(result) - 1, float(result.seconds[1:].sum())


def one_pass(tracker: Tracker, sequence: AnnotatedSequence, repetition: int = 0) -> Trajectory:
    """One run from the first frame to the last; see :meth:`OPE.run`.

    Args:
        tracker: The tracker.
        sequence: What it runs over.
        repetition: Number of the run among several over this sequence.
    """
    record = PassRecord(sequence)
    tracker = tracker.for_run(sequence.boxes_xyxy, repetition)
    state = None
    for index, frame in sequence.clip.iter_frames():
        start = time.perf_counter()
        if index == 0:
            state = tracker.init(frame, sequence.boxes_xyxy[:1])
            record.started(time.perf_counter() - start)
        else:
            prediction, state = tracker.update(frame, state)
            record.updated(prediction, 0, time.perf_counter() - start)
    return record.trajectory()
