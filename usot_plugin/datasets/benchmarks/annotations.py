"""Annotation text files: boxes as ``x, y, w, h`` lines and one-number-a-line labels."""

from __future__ import annotations

from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from usot_plugin.structures.boxes import xywh_to_xyxy, xyxy_to_xywh
from usot_plugin.utils.json_text import parse_json

_SEPARATORS = str.maketrans(',;', '  ')


class AnnotationError(RuntimeError):
    """An annotation file is missing, malformed or does not fit its frames.

    Args:
        path: File or folder.
        cause: What is wrong, in words.
        line: Line number, 1-based, where one is to blame.
    """

    def __init__(self, path: str | Path, cause: str, line: int | None = None) -> None:
        self.path, self.cause, self.line = Path(path), cause, line
        where = f'{path}' if line is None else f'{path}, line {line}'
        super().__init__(f'{where}: {cause}')

    def __reduce__(self):  # exceptions of worker processes are pickled
        return type(self), (self.path, self.cause, self.line)


def _text(path: str | Path) -> str:
    try:
        data = Path(path).read_bytes()
        return data.decode(
            'utf-16' if data.startswith((BOM_UTF16_LE, BOM_UTF16_BE)) else 'utf-8-sig'
        )
    except OSError as error:
        raise AnnotationError(path, f'cannot be read ({error.strerror})') from error
    except UnicodeDecodeError as error:
        raise AnnotationError(path, 'not a text file') from error


def _number(text: str) -> float:
    if '_' in text:  # Python's own form of 1000, and no other program's
        raise ValueError(f'could not convert string to float: {text!r}')
    return float(text)


def read_rows(path: str | Path) -> list[list[float]]:
    """Numbers of each line, separated by commas, semicolons, blanks or tabs; blank lines are
    allowed at the end only.

    Raises:
        AnnotationError: The file is missing or empty, or a value is not a number.
    """
    lines = _text(path).rstrip().splitlines()
    if not lines:
        raise AnnotationError(path, 'the file is empty')
    rows = []
    for number, line in enumerate(lines, 1):
        try:
            rows.append([_number(value) for value in line.translate(_SEPARATORS).split()])
        except ValueError as error:
            raise AnnotationError(path, f'not a number ({error})', number) from error
    return rows


def parse_boxes_xywh(
    path: str | Path, origin: int = 0, negative_is_absent: bool = False
) -> np.ndarray:
    """Boxes of a file with ``x, y, w, h`` on each line.

    Args:
        path: The file. ``nan`` on all four places, or a width or height of 0, says that the target
            is absent.
        origin: Coordinates of the first pixel's corner in this data set, 0 or 1; it is subtracted.
        negative_is_absent: A negative width or height says so, too (GOT-10k); otherwise it is an
            error.

    Returns:
        ``(T, 4)`` float64 ``xyxy``, 0-based pixels; nan = absent.

    Raises:
        AnnotationError: Not four numbers, a negative or infinite size, a box that is partly nan.
    """
    rows = read_rows(path)
    for number, row in enumerate(rows, 1):
        if len(row) != 4:
            raise AnnotationError(path, f'a box is x, y, w, h, got {len(row)} numbers', number)
    boxes = np.array(rows, np.float64)
    if negative_is_absent:
        boxes[(boxes[:, 2:] < 0).any(1)] = np.nan
    absent = np.isnan(boxes)
    partly = absent.any(1) & ~absent.all(1)
    unusable = np.isinf(boxes).any(1) | (boxes[:, 2:] < 0).any(1)
    for wrong, cause in (
        (partly, 'the box is partly nan'),
        (unusable, 'negative or infinite width or height'),
    ):
        if wrong.any():
            line = int(np.flatnonzero(wrong)[0])
            raise AnnotationError(path, f'{cause}: {rows[line]}', line + 1)
    boxes[(boxes[:, 2:] == 0).any(1)] = np.nan
    return from_origin(boxes, origin)


def from_origin(boxes_xywh: np.ndarray, origin: int) -> np.ndarray:
    """Boxes of a data set's files as this project keeps them; the only place where a data set's
    origin is taken out.

    Args:
        boxes_xywh: ``(..., 4)`` as written in the files.
        origin: What the files call the first pixel, 0 or 1.

    Returns:
        ``(..., 4)`` ``xyxy``, 0-based. :func:`to_origin` is the inverse.

    Raises:
        ValueError: Another origin.
    """
    return xywh_to_xyxy(boxes_xywh - _shift(origin))


def to_origin(boxes_xyxy: np.ndarray, origin: int) -> np.ndarray:
    """0-based ``xyxy`` boxes ``(..., 4)`` as ``x, y, w, h`` in a data set's own coordinates, for
    files that its server reads."""
    return xyxy_to_xywh(boxes_xyxy) + _shift(origin)


def _shift(origin: int) -> np.ndarray:
    if origin not in (0, 1):
        raise ValueError(f'origin is 0 or 1, got {origin!r}')
    return np.array([origin, origin, 0, 0], np.float64)


def parse_labels(path: str | Path) -> np.ndarray:
    """Flags of a file with 0 or 1 on each line, or in one comma-separated line (LaSOT), as ``(T,)``
    bool.

    Raises:
        AnnotationError: A value is neither 0 nor 1.
    """
    rows = read_rows(path)
    values = np.array([value for row in rows for value in row])
    if not np.isin(values, (0, 1)).all():
        wrong = int(np.flatnonzero(~np.isin(values, (0, 1)))[0])
        raise AnnotationError(
            path, f'a label is 0 or 1, got {values[wrong]:g} as value {wrong + 1}'
        )
    return values.astype(bool)


def read_json(path: str | Path) -> Any:
    """Content of a JSON file.

    Raises:
        AnnotationError: The file is missing or not JSON.
    """
    try:
        return parse_json(Path(path).read_text(encoding='utf-8'))
    except OSError as error:
        raise AnnotationError(path, f'cannot be read ({error.strerror})') from error
    except ValueError as error:
        raise AnnotationError(path, f'not a JSON file ({error})') from error


def read_lines(path: str | Path) -> list[str]:
    """Lines of a text file that are not blank, without the blanks around them.

    Raises:
        AnnotationError: The file is missing, empty, or not text.
    """
    lines = [line.strip() for line in _text(path).splitlines() if line.strip()]
    if not lines:
        raise AnnotationError(path, 'the file is empty')
    return lines


def flagged(path: str | Path, names: Sequence[str]) -> tuple[str, ...]:
    """The names whose flag is 1 in a file of as many flags (see :func:`parse_labels`).

    Raises:
        AnnotationError: Another number of flags, or not 0 or 1.
    """
    flags = parse_labels(path)
    if len(flags) != len(names):
        raise AnnotationError(
            path, f'{len(flags)} flags for {len(names)} attributes ({", ".join(names)})'
        )
    return tuple(name for name, flag in zip(names, flags, strict=True) if flag)
