"""VOT's supervised protocol: a tracker that fails is started again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from usot_plugin.datasets.benchmarks.sequence import AnnotatedSequence
from usot_plugin.evaluation.functional.region_overlap import OVERLAP_RULES, region_overlap
from usot_plugin.evaluation.results.vot_files import (
    STOCHASTIC_REPETITIONS,
    ResetResults,
    VOTRun,
    annotated_regions,
)
from usot_plugin.registry import TASK_UTILS
from usot_plugin.structures.regions import FrameCode
from usot_plugin.tracking.base import Tracker

from .base import Protocol
from .vot_run import RunRecord, check_start, start_box, timed


@TASK_UTILS.register_module()
class VOTReset(Protocol):
    """Start at the first frame; where nothing of the target is covered any more, call it a failure
    and start again some frames later.

    Args:
        repetitions: Runs a sequence. None runs a tracker once, and 15 times where it is
            :attr:`Tracker.stochastic`.
        skip_frames: Frames from the failure to the next start; a start waits further for a frame
            with the target in it.
        failure_overlap: Overlap at or below which a frame is a failure.
        overlap: Rule of :func:`region_overlap` that decides it; overlaps are bounded to the image.
        start: ``equal_area`` (SiamRPN, pysot, USOT) or ``bounds`` (official toolkit), see
            :func:`start_box`; they differ for rotated annotations only.

    Raises:
        ValueError: An option has no meaning.

    Reference:
        VOT2016 (Kristan et al., ECCVW 2016), Sec. 2; VOT2013-2019.
    """

    name = 'vot_reset'

    def __init__(
        self,
        repetitions: int | None = None,
        skip_frames: int = 5,
        failure_overlap: float = 0.0,
        overlap: str = 'pysot',
        start: str = 'equal_area',
    ) -> None:
        if repetitions is not None and repetitions < 1:
            raise ValueError(f'repetitions is at least 1, or None, got {repetitions}')
        if skip_frames < 1:
            raise ValueError(f'skip_frames is at least 1, got {skip_frames}')
        if not 0 <= failure_overlap < 1:
            raise ValueError(f'failure_overlap lies in [0, 1), got {failure_overlap}')
        if overlap not in OVERLAP_RULES:
            raise ValueError(f'unknown overlap {overlap!r}; known are {", ".join(OVERLAP_RULES)}')
        self.repetitions, self.skip_frames = repetitions, skip_frames
        self.failure_overlap = failure_overlap
        self.overlap = overlap
        self.start = check_start(start)

    def run(self, tracker: Tracker, sequence: AnnotatedSequence) -> dict[int, VOTRun]:
        """Drive ``tracker`` over ``sequence``.

        Returns:
            The runs, ``{1: first, 2: second ...}``.

        Raises:
            ClipError: A frame cannot be decoded.
            ValueError: The tracker cannot start from an annotated box.
        """
        count = self.repetitions or (STOCHASTIC_REPETITIONS if tracker.stochastic else 1)
        return {
            repetition + 1: self._run_once(tracker, sequence, repetition)
            for repetition in range(count)
        }

    def _run_once(self, tracker: Tracker, sequence: AnnotatedSequence, repetition: int) -> VOTRun:
        annotated, size_wh = annotated_regions(sequence), sequence.clip.size_wh
        record, start = RunRecord(len(sequence)), 0
        state: Any = None
        for index, frame in sequence.clip.iter_frames():
            if state is None:
                if index >= start and annotated[index] is not None:
                    box = start_box(annotated[index], sequence.boxes_xyxy[index], self.start)
                    told = tracker.for_run(sequence.boxes_xyxy[index:], repetition)
                    state, seconds = timed(told.init, frame, box[None])
                    record.set(index, FrameCode.INITIALISATION, seconds)
                continue
            (prediction, state), seconds = timed(tracker.update, frame, state)
            region = prediction.region(0)
            score = float(prediction.scores[0])
            lost = (
                region is None
                or region_overlap(region, annotated[index], size_wh, self.overlap)
                <= self.failure_overlap
            )
            if annotated[index] is not None and lost:
                record.set(index, FrameCode.FAILURE, seconds, score)
                state, start = None, index + self.skip_frames
            else:
                record.set(index, region, seconds, score)
        return record.run()

    def result_folder(self, path: str | Path) -> ResetResults:
        """See :meth:`Protocol.result_folder`."""
        return ResetResults(path, self.repetitions, self.skip_frames)

    def updates_and_seconds(self, result: dict[int, VOTRun]) -> tuple[int, float]:
        """See :meth:`Protocol.updates_and_seconds`."""
        return total_updates_and_seconds(result)


def total_updates_and_seconds(result: dict[int, VOTRun]) -> tuple[int, float]:
    """Updates of all runs, and the time they took."""
    updates, seconds = zip(*(run.updates_and_seconds() for run in result.values()), strict=True)
    return sum(updates), sum(seconds)
