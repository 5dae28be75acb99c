"""VOT's anchor-based protocol: a tracker starts at many frames and always runs to an end of the
sequence."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from usot_plugin.datasets.benchmarks.sequence import AnnotatedSequence
from usot_plugin.evaluation.results.vot_files import (
    MultiStartResults,
    VOTRun,
    anchor_runs,
    annotated_regions,
)
from usot_plugin.registry import TASK_UTILS
from usot_plugin.structures.regions import FrameCode
from usot_plugin.tracking.base import Tracker

from .base import Protocol
from .vot_reset import total_updates_and_seconds
from .vot_run import RunRecord, check_start, start_box, timed


@TASK_UTILS.register_module()
class VOTMultiStart(Protocol):
    """From each anchor, forward to the last frame or backward to the first; nothing happens at a
    failure.

    Args:
        start: As in :class:`VOTReset`; masks and upright boxes have only their bounding box to
            offer.

    Raises:
        ValueError: An unknown ``start``.

    Reference:
        VOT2020 (Kristan et al., ECCVW 2020), Sec. 2.2.
    """

    name = 'vot_multistart'

    def __init__(self, start: str = 'bounds') -> None:
        self.start = check_start(start)

    def run(self, tracker: Tracker, sequence: AnnotatedSequence) -> dict[int, VOTRun]:
        """Drive ``tracker`` over ``sequence``.

        Returns:
            ``{anchor frame: run}``; the entries of a backward run go backward.

        Raises:
            ClipError: A frame cannot be decoded.
            ValueError: There is no anchor, or the tracker cannot start from one.
        """
        runs = anchor_runs(sequence.name, sequence.anchors)
        return {
            anchor: self._run_from(tracker, sequence, frames) for anchor, frames in runs.items()
        }

    def _run_from(self, tracker: Tracker, sequence: AnnotatedSequence, frames: range) -> VOTRun:
        first = frames[0]
        region = annotated_regions(sequence)[first]
        if region is None:
            raise ValueError(
                f'{sequence.name}: anchor at frame {first}, where the target is absent'
            )
        box = start_box(region, sequence.boxes_xyxy[first], self.start)
        record = RunRecord(len(frames))
        told = tracker.for_run(sequence.boxes_xyxy[np.array(frames)])
        state: Any = None
        for index, image in enumerate(_images(sequence, frames)):
            if index == 0:
                state, seconds = timed(told.init, image, box[None])
                record.set(0, FrameCode.INITIALISATION, seconds)
            else:
                (prediction, state), seconds = timed(tracker.update, image, state)
                record.set(index, prediction.region(0), seconds, float(prediction.scores[0]))
        return record.run()

    def result_folder(self, path: str | Path) -> MultiStartResults:
        """See :meth:`Protocol.result_folder`."""
        return MultiStartResults(path)

    def updates_and_seconds(self, result: dict[int, VOTRun]) -> tuple[int, float]:
        """See :meth:`Protocol.updates_and_seconds`."""
        return total_updates_and_seconds(result)


def _images(sequence: AnnotatedSequence, frames: range) -> Iterator[np.ndarray]:
    if frames.step > 0:
        yield from (image for _, image in sequence.clip.iter_frames(frames.start))
    else:
        yield from (sequence.clip.read(frame) for frame in frames)
