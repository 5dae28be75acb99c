"""One-pass evaluation."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from usot_plugin.datasets.benchmarks.sequence import AnnotatedSequence
from usot_plugin.evaluation.results import OnePassResults
from usot_plugin.models.trackers.base import Tracker
from usot_plugin.registry import TASK_UTILS
from usot_plugin.structures.trajectory import Trajectory

from .base import Protocol


@TASK_UTILS.register_module()
class OPE(Protocol):
    """Start from the annotation of the first frame and run to the end, whatever happens on the way.

    Reference:
        OTB (Wu et al., TPAMI 2015), Sec. 4.
    """

    name = 'ope'

    def run(self, tracker: Tracker, sequence: AnnotatedSequence) -> Trajectory:
        """Drive ``tracker`` over ``sequence``.

        Returns:
            One entry a frame. Entry 0 is the annotation; a box that is not finite is nan. ``seconds`` holds the time of ``init`` and of
            each ``update``, without decoding.

        Raises:
            ClipError: A frame cannot be decoded.
            ValueError: The tracker cannot start from the first box.
        """
        count = len(sequence)
        boxes = np.full((count, 4), np.nan)
        scores, lost, seconds = np.ones(count), np.zeros(count, bool), np.zeros(count)
        state = None
        for index, frame in sequence.clip.iter_frames():
            start = time.perf_counter()
            if index == 0:
                boxes[0] = sequence.boxes_xyxy[0]
                state = tracker.init(frame, boxes[:1])
            else:
                prediction, state = tracker.update(frame, state)
                boxes[index], scores[index], lost[index] = prediction.boxes_xyxy[0], prediction.scores[0], prediction.lost[0]
            seconds[index] = time.perf_counter() - start
        boxes[~np.isfinite(boxes).all(1)] = np.nan
        return Trajectory(boxes, scores, lost, seconds)

    def result_folder(self, path: str | Path) -> OnePassResults:
        """See :meth:`Protocol.result_folder`."""
        return OnePassResults(path)

    def updates_and_seconds(self, result: Trajectory) -> tuple[int, float]:
        """See :meth:`Protocol.updates_and_seconds`."""
        return len(result) - 1, float(result.seconds[1:].sum())
