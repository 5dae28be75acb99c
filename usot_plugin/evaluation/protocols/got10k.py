"""One pass as GOT-10k runs it, with its result files."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from usot_plugin.datasets.benchmarks.annotations import AnnotationError, read_rows
from usot_plugin.datasets.benchmarks.sequence import AnnotatedSequence
from usot_plugin.evaluation.results.result_files import (
    ResultError,
    ResultFolder,
    read_numbers,
    write_numbers,
)
from usot_plugin.registry import TASK_UTILS
from usot_plugin.structures.boxes import xywh_to_xyxy, xyxy_to_xywh
from usot_plugin.structures.trajectory import Trajectory
from usot_plugin.tracking.base import Tracker
from usot_plugin.utils.names import path_below

from .base import Protocol
from .ope import one_pass

#: Half a unit of the last of three decimals, once for a corner and once for a side.
ROUNDING_PX = 1.1e-3


@TASK_UTILS.register_module()
class GOT10k(Protocol):
    """Start from the annotation of the first frame and run to the end; once, or several times where
    the tracker is stochastic.

    Args:
        repetitions: Runs of a tracker that calls itself :attr:`Tracker.stochastic`.
        origin: Coordinate of the first pixel's corner in the result files, 0 or 1; the same as in
            the annotation, whose coordinates the toolkit and the server compare them in
            (:attr:`GOT10kDataset.origin`).

    Raises:
        ValueError: No repetition, or another origin.

    Reference:
        GOT-10k (Huang et al., TPAMI 2021), Sec. 4.1.
    """

    name = 'got10k'
    batchable = True

    def __init__(self, repetitions: int = 3, origin: int = 0) -> None:
        if repetitions < 1:
            raise ValueError(f'repetitions must be 1 or more, got {repetitions!r}')
        self.repetitions, self.origin = repetitions, _checked_origin(origin)

    def run(self, tracker: Tracker, sequence: AnnotatedSequence) -> list[Trajectory]:
        """Drive ``tracker`` over ``sequence``; returns one trajectory a repetition, see
        :meth:`OPE.run`."""
        return [
            one_pass(tracker, sequence, repetition)
            for repetition in range(self.repetitions if tracker.stochastic else 1)
        ]

    def from_pass(self, trajectory: Trajectory) -> list[Trajectory]:
        """See :meth:`Protocol.from_pass`."""
        return [trajectory]

    def result_folder(self, path: str | Path) -> GOT10kResults:
        """See :meth:`Protocol.result_folder`."""
        return GOT10kResults(path, self.origin)

    def updates_and_seconds(self, result: Sequence[Trajectory]) -> tuple[int, float]:
        """See :meth:`Protocol.updates_and_seconds`."""
        return sum(len(one) - 1 for one in result), float(
            sum(one.seconds[1:].sum() for one in result)
        )


class GOT10kResults(ResultFolder):
    """``<sequence>/<sequence>_001.txt`` (``x,y,w,h``, three decimals) and so on for each
    repetition, ``<sequence>/<sequence>_time.txt``.

    The time file has a column for each repetition, and is written first: it says how many box files
    there have to be. Results of another toolkit may come without it.

    Args:
        path: ``OUT/<tracker>``.
        origin: See :class:`GOT10k`.
    """

    def __init__(self, path: str | Path, origin: int = 0) -> None:
        super().__init__(path)
        self.origin = _checked_origin(origin)

    def box_file(self, name: str, repetition: int = 0) -> Path:
        """The box file of one repetition, counted from 0."""
        return path_below(self.path, name, 'sequence') / f'{name}_{repetition + 1:03d}.txt'

    def time_file(self, name: str) -> Path:
        return path_below(self.path, name, 'sequence') / f'{name}_time.txt'

    def write(self, name: str, result: Sequence[Trajectory]) -> None:
        """See :meth:`ResultFolder.write`."""
        self.discard(name)
        write_numbers(self.time_file(name), np.stack([one.seconds for one in result], 1), '%.8f')
        for repetition in reversed(range(len(result))):
            boxes = xyxy_to_xywh(result[repetition].boxes_xyxy)
            boxes[:, :2] += self.origin
            write_numbers(self.box_file(name, repetition), boxes, '%.3f')

    def read(self, name: str) -> list[Trajectory]:
        """See :meth:`ResultFolder.read`; scores are 1, because the files hold none, and times nan
        where there is no time file."""
        count = len(self._box_files(name))
        seconds = None
        if self.time_file(name).exists():
            count = max(count, self._columns(name))
            seconds = read_numbers(self.time_file(name), count)
        boxes = [read_numbers(self.box_file(name, index), 4) for index in range(max(count, 1))]
        result = []
        for index, rows in enumerate(boxes):
            rows[:, :2] -= self.origin
            if seconds is not None and len(seconds) != len(rows):
                raise ResultError(
                    self.time_file(name), f'{len(seconds)} lines beside {len(rows)} boxes'
                )
            times = np.full(len(rows), np.nan) if seconds is None else seconds[:, index]
            result.append(
                Trajectory(xywh_to_xyxy(rows), np.ones(len(rows)), np.zeros(len(rows), bool), times)
            )
        return result

    def unfinished_reason(self, sequence: AnnotatedSequence) -> str | None:
        """See :meth:`ResultFolder.unfinished_reason`: every repetition has one line a frame, and
        starts from the annotated box."""
        try:
            result = self.read(sequence.name)
        except ResultError as error:
            return f'{error.path.name}: {error.cause}'
        for index, trajectory in enumerate(result):
            file = self.box_file(sequence.name, index).name
            if len(trajectory) != len(sequence):
                return f'{file}: {len(trajectory)} lines for {len(sequence)} frames'
            if not np.abs(trajectory.boxes_xyxy[0] - sequence.boxes_xyxy[0]).max() <= ROUNDING_PX:
                return f'{file}: it starts from another box than the annotation'
        return None

    def discard(self, name: str) -> None:
        """Remove the result of one sequence, the box files first."""
        for file in [*self._box_files(name), self.time_file(name)]:
            file.unlink(missing_ok=True)

    def sample(self, sequence: AnnotatedSequence) -> dict[str, Any]:
        """What :class:`GOT10kMetric` needs of one sequence."""
        result = self.read(sequence.name)
        return {
            'name': sequence.name,
            'tracker': self.path.name,
            'repetitions_xyxy': [one.boxes_xyxy for one in result],
            'annotated_xyxy': sequence.boxes_xyxy,
            'size_wh': sequence.clip.size_wh,
            'origin': self.origin,
            'seconds': np.stack([one.seconds for one in result]),
        }

    def _box_files(self, name: str) -> list[Path]:
        return sorted(
            path_below(self.path, name, 'sequence').glob(f'{glob.escape(name)}_[0-9][0-9][0-9].txt')
        )

    def _columns(self, name: str) -> int:
        """Repetitions by the time file."""
        try:
            return len(read_rows(self.time_file(name))[0])
        except AnnotationError as error:
            raise ResultError(self.time_file(name), f'cannot be read ({error.cause})') from error


def _checked_origin(origin: int) -> int:
    if origin not in (0, 1):
        raise ValueError(f'origin is 0 or 1, got {origin!r}')
    return origin
