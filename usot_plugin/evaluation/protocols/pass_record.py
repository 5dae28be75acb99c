"""The trajectory of one pass over a sequence while it comes into being."""

from __future__ import annotations

import numpy as np

from usot_plugin.datasets.benchmarks.sequence import AnnotatedSequence
from usot_plugin.structures.trajectory import Prediction, Trajectory


class PassRecord:
    """Collects what a tracker says frame by frame; frame 0 is the annotation.

    Args:
        sequence: What is tracked.
    """

    def __init__(self, sequence: AnnotatedSequence) -> None:
        count = len(sequence)
        self._boxes_xyxy = np.full((count, 4), np.nan)
        self._boxes_xyxy[0] = sequence.boxes_xyxy[0]
        self._scores = np.ones(count)
        self._lost = np.zeros(count, bool)
        self._seconds = np.zeros(count)
        #: Frames recorded so far.
        self.frames = 0

    def started(self, seconds: float) -> None:
        """The tracker was initialised on the first frame, which took ``seconds``."""
        self._seconds[0] = seconds
        self.frames = 1

    def updated(self, prediction: Prediction, target: int, seconds: float) -> None:
        """The next frame: entry ``target`` of a prediction, which took ``seconds`` for this
        target."""
        self._boxes_xyxy[self.frames] = prediction.boxes_xyxy[target]
        self._scores[self.frames], self._lost[self.frames] = (
            prediction.scores[target],
            prediction.lost[target],
        )
        self._seconds[self.frames] = seconds
        self.frames += 1

    def trajectory(self) -> Trajectory:
        """The whole pass; a box that is not finite is nan."""
        self._boxes_xyxy[~np.isfinite(self._boxes_xyxy).all(1)] = np.nan
        return Trajectory(self._boxes_xyxy, self._scores, self._lost, self._seconds)
