"""Result files: the line between running a tracker and scoring it.

``OUT/<tracker>/`` is a :class:`ResultFolder`; what lies in it per sequence is the protocol's
matter. ``run.json`` says what produced it.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from usot_plugin.datasets.benchmarks.annotations import AnnotationError, read_rows
from usot_plugin.datasets.benchmarks.sequence import AnnotatedSequence
from usot_plugin.structures.boxes import xywh_to_xyxy, xyxy_to_xywh
from usot_plugin.structures.trajectory import Trajectory
from usot_plugin.utils.atomic import remove_abandoned, whole_file, write_cause, write_text
from usot_plugin.utils.json_text import parse_json
from usot_plugin.utils.names import path_below

RUN_FILE = 'run.json'
#: Ends of the stems of files beside the boxes of a sequence.
SIDE_FILES = ('_time', '_score')
BOX_NUMBERS = 4
#: Half a unit of the last decimal that is written, and the noise of adding four-decimal numbers.
ROUNDING_PX = 1.1e-4


class ResultError(RuntimeError):
    """A result file is missing, malformed, or was made by another run.

    Args:
        path: The file.
        cause: What is wrong, in words.
    """

    def __init__(self, path: str | Path, cause: str) -> None:
        self.path, self.cause = Path(path), cause
        super().__init__(f'{path}: {cause}')

    def __reduce__(self):
        return type(self), (self.path, self.cause)


class ResultFolder(ABC):
    """Result files of one tracker under one protocol.

    A sequence is finished when all its files are there, whole, and fit the sequence; so the file
    that is looked at first is written last.

    Args:
        path: ``OUT/<tracker>``; made when the first file is written.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    @abstractmethod
    def write(self, name: str, result: Any) -> None:
        """Write what the protocol's ``run`` returned for the sequence ``name``.

        Raises:
            ResultError: The folder cannot be written to.
        """

    @abstractmethod
    def read(self, name: str) -> Any:
        """Read back what :meth:`write` wrote.

        Raises:
            ResultError: Missing or malformed.
        """

    @abstractmethod
    def unfinished_reason(self, sequence: AnnotatedSequence) -> str | None:
        """Why the files do not count as the finished result of ``sequence``, in words; None where
        they do."""

    @abstractmethod
    def discard(self, name: str) -> None:
        """Remove the result of one sequence; the file that says "finished" goes first."""

    @abstractmethod
    def sample(self, sequence: AnnotatedSequence) -> dict[str, Any]:
        """What the metrics need to score ``sequence``: always ``name`` and ``tracker``, the rest is
        the protocol's matter."""

    def check_names(self, names: Sequence[str]) -> None:
        """Refuse sequences whose files would replace each other's.

        Raises:
            ResultError: Two sequences share a file; the message names both.
        """
        return  # a folder for each sequence: nothing is shared

    def finished_sample(self, sequence: AnnotatedSequence) -> dict[str, Any]:
        """:meth:`sample`, refused where the result is not finished.

        Raises:
            ResultError: There is no finished result of this sequence.
        """
        reason = self.unfinished_reason(sequence)
        if reason is not None:
            raise ResultError(self.path / sequence.name, f'is not a finished result ({reason})')
        return self.sample(sequence)

    def claim(self, identity: dict[str, Any], overwrite: bool = False) -> None:
        """State what produces the results here, before the first is written, or check that it is
        the same as before.

        Args:
            identity: Whatever decides about the numbers: tracker, settings, weights. Must survive
                JSON.
            overwrite: Take the folder over; its old results have to be removed by :meth:`discard`.

        Raises:
            ResultError: Another run left its results here.
        """
        remove_abandoned(self.path)  # what a killed run has left
        file = self.path / RUN_FILE
        wanted = json.loads(json.dumps(identity))
        if file.exists() and not overwrite:
            try:
                known = parse_json(file.read_text(encoding='utf-8'))
                if not isinstance(known, dict):
                    raise ValueError(f'a {type(known).__name__}')
            except (OSError, ValueError) as error:
                raise ResultError(
                    file, 'cannot be read; remove the folder or run with overwrite'
                ) from error
            different = sorted(
                key for key in {*known, *wanted} if known.get(key) != wanted.get(key)
            )
            if different:
                shown = '; '.join(
                    f'{key}: there {_short(known.get(key))}, now {_short(wanted.get(key))}'
                    for key in different
                )
                raise ResultError(
                    self.path,
                    f'holds results of another run ({shown}); choose another folder or overwrite',
                )
            return
        try:
            write_text(file, json.dumps(wanted, indent=2) + '\n')
        except OSError as error:
            raise ResultError(file, f'cannot be written ({write_cause(error, file)})') from error


class OnePassResults(ResultFolder):
    """One :class:`Trajectory` a sequence.

    ``<sequence>.txt`` holds ``x,y,w,h`` a frame (0-based, four decimals, ``nan`` where nothing was
    predicted), ``<sequence>_score.txt`` ``confidence,lost`` and ``<sequence>_time.txt`` the
    seconds.
    """

    def box_file(self, name: str) -> Path:
        return path_below(self.path, f'{name}.txt', 'sequence')

    def side_file(self, name: str, side: str) -> Path:
        """The file of :data:`SIDE_FILES` beside the boxes of a sequence."""
        return path_below(self.path, f'{name}{side}.txt', 'sequence')

    def check_names(self, names: Sequence[str]) -> None:
        """See :meth:`ResultFolder.check_names`: the boxes of a sequence ``car_time`` would lie
        where the times of ``car`` do."""
        known = set(names)
        for name in names:
            for side in SIDE_FILES:
                if name + side in known:
                    cause = (
                        f'would hold the boxes of sequence {name + side!r} and the '
                        f'{side[1:]}s of {name!r}; rename one of them'
                    )
                    raise ResultError(self.box_file(name + side), cause)

    def write(self, name: str, result: Trajectory) -> None:
        """Write the files of one sequence, the box file last.

        Raises:
            ResultError: The folder cannot be written to.
        """
        write_numbers(
            self.side_file(name, '_score'),
            np.stack([result.scores, result.lost], 1),
            ('%.6f', '%d'),
        )
        write_numbers(self.side_file(name, '_time'), result.seconds, '%.6f')
        write_numbers(self.box_file(name), xyxy_to_xywh(result.boxes_xyxy), '%.4f')

    def read(self, name: str) -> Trajectory:
        """Read back what :meth:`write` wrote.

        A box file alone (of another toolkit) is enough: scores are 1 and times nan then.

        Raises:
            ResultError: Missing or malformed.
        """
        boxes = xywh_to_xyxy(read_numbers(self.box_file(name), 4))
        count = len(boxes)
        scores = np.ones(count)
        lost = np.zeros(count, bool)
        seconds = np.full(count, np.nan)
        score_file = self.side_file(name, '_score')
        time_file = self.side_file(name, '_time')
        if is_side_file(score_file):
            rows = read_numbers(score_file, 2, count)
            scores, lost = rows[:, 0], rows[:, 1].astype(bool)
        if is_side_file(time_file):
            seconds = read_numbers(time_file, 1, count)[:, 0]
        return Trajectory(boxes, scores, lost, seconds)

    def unfinished_reason(self, sequence: AnnotatedSequence) -> str | None:
        """See :meth:`ResultFolder.unfinished_reason`: one line a frame, the start from the
        annotated box, and boxes that can be boxes."""
        try:
            trajectory = self.read(sequence.name)
        except ResultError as error:
            return error.cause
        if len(trajectory) != len(sequence):
            return f'{len(trajectory)} lines for {len(sequence)} frames'
        if not np.abs(trajectory.boxes_xyxy[0] - sequence.boxes_xyxy[0]).max() <= ROUNDING_PX:
            return 'it starts from another box than the annotation'
        return unusable_boxes(trajectory.boxes_xyxy)

    def discard(self, name: str) -> None:
        """Remove the result of one sequence, the box file first."""
        for file in (
            self.box_file(name),
            self.side_file(name, '_score'),
            self.side_file(name, '_time'),
        ):
            file.unlink(missing_ok=True)

    def sample(self, sequence: AnnotatedSequence) -> dict[str, Any]:
        """What :class:`SOTMetric` needs of one sequence."""
        trajectory = self.read(sequence.name)
        return {
            'name': sequence.name,
            'tracker': self.path.name,
            'boxes_xyxy': trajectory.boxes_xyxy,
            'annotated_xyxy': sequence.boxes_xyxy,
            'attributes': sequence.attributes,
            'frame_attributes': sequence.frame_attributes,
            'scores': trajectory.scores,
            'lost': trajectory.lost,
            'seconds': trajectory.seconds,
        }


def is_side_file(path: Path) -> bool:
    """Whether a file beside the boxes is there and holds something else: ``car_time.txt`` may be
    the boxes of a sequence ``car_time``."""
    if not path.exists():
        return False
    try:
        return len(read_rows(path)[0]) != BOX_NUMBERS
    except AnnotationError:
        return True


def unusable_boxes(boxes_xyxy: np.ndarray) -> str | None:
    """What no tracker may say of a sequence ``(T, 4)``, in words; None where all is well.

    nan is no prediction, a size of 0 a miss.

    A file in which every frame but the first is nan was made by a run that broke, not by a tracker
    that lost its target.
    """
    sizes = boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]
    # Four-decimal corners of a box of no size may come back a rounding apart.
    negative = np.flatnonzero((sizes < -ROUNDING_PX).any(1))
    if len(negative):
        return f'negative width or height in line {negative[0] + 1}'
    infinite = np.flatnonzero(np.isinf(boxes_xyxy).any(1))
    if len(infinite):
        return f'infinite number in line {infinite[0] + 1}'
    partly = np.flatnonzero(np.isnan(boxes_xyxy).any(1) & ~np.isnan(boxes_xyxy).all(1))
    if len(partly):
        return f'box that is partly nan in line {partly[0] + 1}'
    if len(boxes_xyxy) > 1 and np.isnan(boxes_xyxy[1:]).all():
        return 'no box but the first: every other line is nan'
    return None


def read_numbers(path: Path, columns: int, count: int | None = None) -> np.ndarray:
    """A text file with ``columns`` numbers a line as ``(T, columns)`` float64, read as annotations
    are.

    Commas, semicolons, blanks and tabs separate; a byte order mark, a separator at the end of a
    line and blank last lines do no harm.

    Args:
        path: The file.
        columns: Numbers a line.
        count: Lines that there have to be, where that is known.

    Raises:
        ResultError: Missing, or something else; the message has the line.
    """
    if not path.exists():
        raise ResultError(path, 'no such result file')
    try:
        rows = read_rows(path)
    except AnnotationError as error:
        where = '' if error.line is None else f' in line {error.line}'
        raise ResultError(
            path, f'not a result file with {columns} numbers a line: {error.cause}{where}'
        ) from error
    for line, row in enumerate(rows, 1):
        if len(row) != columns:
            raise ResultError(
                path, f'not a result file with {columns} numbers a line: {len(row)} in line {line}'
            )
    if count is not None and len(rows) != count:
        raise ResultError(path, f'{len(rows)} lines beside {count} boxes')
    return np.array(rows, np.float64)


def write_numbers(
    path: Path, values: np.ndarray, form: str | tuple[str, ...], delimiter: str = ','
) -> None:
    """Write rows of numbers whole or not at all; the counterpart of :func:`read_numbers`.

    Raises:
        ResultError: The file cannot be written.
    """
    try:
        with whole_file(path) as temporary:
            np.savetxt(temporary, values, fmt=form, delimiter=delimiter)
    except OSError as error:
        raise ResultError(path, f'cannot be written ({write_cause(error, path)})') from error


def _short(value: Any, limit: int = 60) -> str:
    text = json.dumps(value)
    return text if len(text) <= limit else f'{text[:limit]}...'
