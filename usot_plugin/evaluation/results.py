"""Result files: the line between running a tracker and scoring it.

``OUT/<tracker>/<sequence>.txt`` holds ``x,y,w,h`` a frame (0-based, four decimals, ``nan`` where nothing was predicted),
``<sequence>_score.txt`` ``confidence,lost`` and ``<sequence>_time.txt`` the seconds. ``OUT/<tracker>/run.json`` says what produced them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from usot_plugin.structures.boxes import xywh_to_xyxy, xyxy_to_xywh
from usot_plugin.structures.trajectory import Trajectory
from usot_plugin.utils.atomic import remove_abandoned, whole_file, write_text

RUN_FILE = 'run.json'
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


class ResultFolder:
    """Result files of one tracker.

    Args:
        path: ``OUT/<tracker>``; made when the first file is written.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def box_file(self, name: str) -> Path:
        return self.path / f'{name}.txt'

    def write(self, name: str, trajectory: Trajectory) -> None:
        """Write the files of one sequence. The box file comes last, so that its presence means that all are there.

        Raises:
            ResultError: The folder cannot be written to.
        """
        columns = {
            f'{name}_score.txt': (np.stack([trajectory.scores, trajectory.lost], 1), ('%.6f', '%d')),
            f'{name}_time.txt': (trajectory.seconds, '%.6f'),
            f'{name}.txt': (xyxy_to_xywh(trajectory.boxes_xyxy), '%.4f'),
        }
        for file, (values, form) in columns.items():
            try:
                with whole_file(self.path / file) as temporary:
                    np.savetxt(temporary, values, fmt=form, delimiter=',')
            except OSError as error:
                raise ResultError(self.path / file, f'cannot be written ({error.strerror or error})') from error

    def read(self, name: str) -> Trajectory:
        """Read back what :meth:`write` wrote. A box file alone (of another toolkit) is enough: scores are 1 and times nan then.

        Raises:
            ResultError: Missing or malformed.
        """
        boxes = xywh_to_xyxy(self._rows(self.box_file(name), 4))
        count = len(boxes)
        scores, lost, seconds = np.ones(count), np.zeros(count, bool), np.full(count, np.nan)
        score_file, time_file = self.path / f'{name}_score.txt', self.path / f'{name}_time.txt'
        if score_file.exists():
            rows = self._rows(score_file, 2, count)
            scores, lost = rows[:, 0], rows[:, 1].astype(bool)
        if time_file.exists():
            seconds = self._rows(time_file, 1, count)[:, 0]
        return Trajectory(boxes, scores, lost, seconds)

    def unfinished_reason(self, name: str, boxes_xyxy: np.ndarray) -> str | None:
        """Why the files of a sequence do not count as its finished result; None where they do.

        Args:
            name: Name of the sequence.
            boxes_xyxy: ``(T, 4)`` its annotation. The result has ``T`` lines and starts from the same box.
        """
        try:
            trajectory = self.read(name)
        except ResultError as error:
            return error.cause
        if len(trajectory) != len(boxes_xyxy):
            return f'{len(trajectory)} lines for {len(boxes_xyxy)} frames'
        if not np.abs(trajectory.boxes_xyxy[0] - boxes_xyxy[0]).max() <= ROUNDING_PX:
            return 'it starts from another box than the annotation'
        return None

    def _rows(self, path: Path, columns: int, count: int | None = None) -> np.ndarray:
        try:
            text = path.read_text(encoding='utf-8')
            rows = np.array([line.replace('\t', ',').split(',') for line in text.splitlines()], np.float64)
        except FileNotFoundError as error:
            raise ResultError(path, 'no such result file') from error
        except (OSError, ValueError) as error:
            raise ResultError(path, f'not a result file with {columns} numbers a line') from error
        if rows.ndim != 2 or rows.shape[1] != columns:
            raise ResultError(path, f'not a result file with {columns} numbers a line')
        if count is not None and len(rows) != count:
            raise ResultError(path, f'{len(rows)} lines beside {count} boxes')
        return rows

    def claim(self, identity: dict[str, Any], overwrite: bool = False) -> None:
        """State what produces the results here, before the first is written, or check that it is the same as before.

        Args:
            identity: Whatever decides about the numbers: tracker, settings, weights. Must survive JSON.
            overwrite: Take the folder over; its old results have to be removed by :meth:`discard`.

        Raises:
            ResultError: Another run left its results here.
        """
        remove_abandoned(self.path)  # what a killed run has left
        file = self.path / RUN_FILE
        wanted = json.loads(json.dumps(identity))
        if file.exists() and not overwrite:
            try:
                known = json.loads(file.read_text(encoding='utf-8'))
            except (OSError, ValueError) as error:
                raise ResultError(file, 'cannot be read; remove the folder or run with overwrite') from error
            different = sorted(key for key in {*known, *wanted} if known.get(key) != wanted.get(key))
            if different:
                shown = '; '.join(f'{key}: there {_short(known.get(key))}, now {_short(wanted.get(key))}' for key in different)
                raise ResultError(self.path, f'holds results of another run ({shown}); choose another folder or overwrite')
            return
        try:
            write_text(file, json.dumps(wanted, indent=2) + '\n')
        except OSError as error:
            raise ResultError(file, f'cannot be written ({error.strerror or error})') from error

    def discard(self, name: str) -> None:
        """Remove the result of one sequence, the box file first."""
        for file in (f'{name}.txt', f'{name}_score.txt', f'{name}_time.txt'):
            (self.path / file).unlink(missing_ok=True)


def _short(value: Any, limit: int = 60) -> str:
    text = json.dumps(value)
    return text if len(text) <= limit else f'{text[:limit]}...'
