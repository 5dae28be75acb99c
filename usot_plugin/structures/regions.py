"""Target regions: boxes, polygons and masks, and their text forms in VOT's files.

Numbers are kept as they are written; a data set whose annotation counts pixels from 1 shifts them
itself. A box is continuous (:mod:`usot_plugin.structures.boxes`); a polygon's vertex names a pixel
(:mod:`usot_plugin.structures.raster`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from .boxes import xywh_to_xyxy, xyxy_to_xywh
from .raster import rasterise_polygon


class FrameCode(IntEnum):
    """What a VOT result file says of a frame where it holds no region."""

    UNKNOWN = 0
    INITIALISATION = 1
    FAILURE = 2


@dataclass(frozen=True, eq=False)
class BoxRegion:
    """An axis-aligned box.

    Attributes:
        box_xyxy: ``(4,)`` float64, 0-based pixels.

    Raises:
        ValueError: A corner is not finite, or width or height is negative.
    """

    box_xyxy: np.ndarray

    def __post_init__(self) -> None:
        box = np.asarray(self.box_xyxy, np.float64)
        if box.shape != (4,) or not np.isfinite(box).all() or (box[2:] < box[:2]).any():
            raise ValueError(
                'a box region has finite corners and no negative size, got x1, y1, x2, y2 = '
                f'{box.tolist()}'
            )
        object.__setattr__(self, 'box_xyxy', box)

    def to_mask(self, width: int, height: int) -> np.ndarray:
        """Pixels in a frame, ``(height, width)`` bool; position and size are rounded half to even,
        as the VOT toolkit does."""
        x, y, w, h = np.round(xyxy_to_xywh(self.box_xyxy)).astype(int)
        mask = np.zeros((height, width), bool)
        mask[max(y, 0) : max(y + h, 0), max(x, 0) : max(x + w, 0)] = True
        return mask


@dataclass(frozen=True, eq=False)
class PolygonRegion:
    """A closed polygon.

    Attributes:
        points_xy: ``(N, 2)`` float64 vertices in pixels, ``N >= 3``.

    Raises:
        ValueError: Fewer than three vertices, or one is not finite.
    """

    points_xy: np.ndarray

    def __post_init__(self) -> None:
        points = np.asarray(self.points_xy, np.float64)
        if (
            points.ndim != 2
            or points.shape[1] != 2
            or len(points) < 3
            or not np.isfinite(points).all()
        ):
            raise ValueError(
                f'a polygon has three or more finite vertices (N, 2), got {points.tolist()}'
            )
        object.__setattr__(self, 'points_xy', points)

    @property
    def box_xyxy(self) -> np.ndarray:
        """Smallest box around the vertices, ``(4,)``."""
        return np.concatenate([self.points_xy.min(0), self.points_xy.max(0)])

    def to_mask(self, width: int, height: int) -> np.ndarray:
        """Pixels in a frame, ``(height, width)`` bool."""
        return rasterise_polygon(self.points_xy, width, height)


@dataclass(frozen=True, eq=False)
class MaskRegion:
    """Pixels of a window of the frame.

    Attributes:
        mask: ``(h, w)`` bool.
        left: Column of the window's first pixel; may lie outside the frame.
        top: Row of the window's first pixel.
    """

    mask: np.ndarray
    left: int = 0
    top: int = 0

    def __post_init__(self) -> None:
        mask = np.asarray(self.mask) != 0
        if mask.ndim != 2:
            raise ValueError(f'a mask is (h, w), got shape {mask.shape}')
        object.__setattr__(self, 'mask', mask)

    @classmethod
    def from_runs(
        cls, runs: Sequence[int], width: int, height: int, left: int = 0, top: int = 0
    ) -> MaskRegion:
        """A mask from the lengths of its runs of equal pixels, row by row, beginning with zeros; a
        missing end is zeros.

        Raises:
            ValueError: The runs have more pixels than the window.
        """
        if sum(runs) > width * height:
            raise ValueError(f'runs of {sum(runs)} pixels in a mask of {width}x{height}')
        pixels = np.zeros(width * height, bool)
        filled = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
        pixels[: len(filled)] = filled
        return cls(pixels.reshape(height, width), left, top)

    @property
    def box_xyxy(self) -> np.ndarray:
        """Smallest box around the pixels, ``(4,)``: the right edge of pixel ``x`` is ``x + 1``.

        nan where there is no pixel."""
        rows = np.flatnonzero(self.mask.any(1))
        columns = np.flatnonzero(self.mask.any(0))
        if not len(rows):
            return np.full(4, np.nan)
        return np.array(
            [
                self.left + columns[0],
                self.top + rows[0],
                self.left + columns[-1] + 1,
                self.top + rows[-1] + 1,
            ],
            np.float64,
        )

    def to_mask(self, width: int, height: int) -> np.ndarray:
        """Pixels in a frame, ``(height, width)`` bool."""
        frame = np.zeros((height, width), bool)
        h, w = self.mask.shape
        x1 = max(self.left, 0)
        y1 = max(self.top, 0)
        x2 = min(self.left + w, width)
        y2 = min(self.top + h, height)
        if x2 > x1 and y2 > y1:
            frame[y1:y2, x1:x2] = self.mask[
                y1 - self.top : y2 - self.top, x1 - self.left : x2 - self.left
            ]
        return frame


Region = BoxRegion | PolygonRegion | MaskRegion


def parse_region(text: str) -> Region | None:
    """A region of a VOT annotation line; None where the target is absent (a code, nan, or a mask
    without pixels).

    Args:
        text: ``x,y,w,h``; ``x1,y1,x2,y2,...`` (three or more vertices); ``mX,Y,W,H,run,...``
            (row-wise run lengths, the first of zeros); or a code.

    Raises:
        ValueError: Anything else; the message says what.
    """
    entry = parse_frame(text)
    return None if isinstance(entry, FrameCode) else entry


#: Other programs write semicolons, blanks or tabs for commas.
_SEPARATORS = str.maketrans(',;', '  ')


def parse_frame(text: str) -> Region | FrameCode:
    """A line of a VOT result file: a region, or a code where there is none.

    See :func:`parse_region`.

    Raises:
        ValueError: The line is none of VOT's forms; the message says why.
    """
    text = text.strip()
    if text.startswith('m'):
        region = _parse_mask(text[1:])
        return region if region.mask.any() else FrameCode.UNKNOWN
    try:
        values = [float(value) for value in text.translate(_SEPARATORS).split()]
    except ValueError as error:
        raise ValueError(f'not a region: {_short(text)!r}') from error
    if not values:
        raise ValueError("not a region: ''")
    if len(values) == 1:
        if values[0] not in tuple(FrameCode):
            raise ValueError(f'a code is 0, 1 or 2, got {_short(text)!r}')
        return FrameCode(int(values[0]))
    if len(values) < 4 or len(values) % 2:
        raise ValueError(
            f'a region has 4 numbers or 3 and more vertices, got {len(values)} numbers'
        )
    if any(math.isnan(value) for value in values):
        return FrameCode.UNKNOWN
    if len(values) > 4:
        return PolygonRegion(np.array(values).reshape(-1, 2))
    if values[2] < 0 or values[3] < 0:
        raise ValueError(f'negative width or height: {_short(text)}')
    return BoxRegion(xywh_to_xyxy(np.array(values)))


def format_region(region: Region | FrameCode | int | None, decimals: int = 4) -> str:
    """The line of a VOT file for a region; None is the code 0.

    Inverse of :func:`parse_frame` up to rounding."""
    if isinstance(region, MaskRegion):
        height, width = region.mask.shape
        return 'm' + ','.join(
            str(int(value))
            for value in (region.left, region.top, width, height, *run_lengths(region.mask))
        )
    if isinstance(region, PolygonRegion):
        return ','.join(f'{value:.{decimals}f}' for value in region.points_xy.ravel())
    if isinstance(region, BoxRegion):
        return ','.join(f'{value:.{decimals}f}' for value in xyxy_to_xywh(region.box_xyxy))
    return str(int(region or FrameCode.UNKNOWN))


def _parse_mask(text: str) -> MaskRegion:
    try:
        left, top, width, height, *runs = (int(value) for value in text.split(','))
    except ValueError as error:
        raise ValueError(
            f'a mask is mX,Y,W,H,run,... in whole numbers, got {_short("m" + text)!r}'
        ) from error
    if width < 0 or height < 0 or any(run < 0 for run in runs):
        raise ValueError(f'negative size or run length in mask {_short("m" + text)!r}')
    return MaskRegion.from_runs(runs, width, height, left, top)


def run_lengths(mask: np.ndarray) -> np.ndarray:
    """Lengths of the runs of equal pixels, row by row, beginning with zeros (which may be none)."""
    pixels = np.concatenate([[False], mask.ravel()])
    borders = np.flatnonzero(pixels[1:] != pixels[:-1])
    return np.diff(np.concatenate([[0], borders, [mask.size]]))


def _short(text: str, limit: int = 40) -> str:
    return text if len(text) <= limit else f'{text[:limit]}...'
