"""Square and rectangular crops around a target, and the coordinates of boxes in them.

A crop is an integer region of the frame that is resized to the wanted size. The region is known
exactly, so a box moves into the crop and back without any rounding: in continuous coordinates
(pixel ``0`` covers ``[0, 1)``) a resize is one factor per axis.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np

#: Share of ``w + h`` that SiamFC adds on each axis (arXiv:1606.09549, Sec. 3.1 has ``p = (w + h) /
#: 4`` on each side).
CONTEXT = 0.5

#: Corner pair of a crop in frame pixels; integers, may lie outside the frame.
Region = tuple[int, int, int, int]


def context_side(w: float, h: float, context: float = CONTEXT) -> float:
    """Side in pixels of the square that holds a ``w x h`` box and its context.

    Args:
        w: Width of the box in pixels.
        h: Height of the box in pixels.
        context: Share of ``w + h`` added to each side length.

    Reference:
        SiamFC (arXiv:1606.09549), Eq. 7 with scale 1: ``sqrt((w + c) (h + c))``, ``c = context (w +
        h)``.
    """
    margin = context * (w + h)
    return math.sqrt((w + margin) * (h + margin))


def square_region(center_xy: Sequence[float] | np.ndarray, side_px: float) -> Region:
    """The integer square of ``round(side_px)`` pixels that the USOT release cuts around a centre.

    The half side is ``(side + 1) / 2`` and the corner is rounded half to even, so the centre sits
    up to one pixel right of the middle. What counts is that :func:`boxes_to_crop` knows where the
    square really is.

    Raises:
        ValueError: The centre is not finite or the side is below half a pixel.
    """
    return rect_region(center_xy, (side_px, side_px))


def rect_region(
    center_xy: Sequence[float] | np.ndarray, size_wh: Sequence[float] | np.ndarray
) -> Region:
    """:func:`square_region` with two side lengths."""
    values = (*center_xy, *size_wh)
    if not all(math.isfinite(v) for v in values):
        raise ValueError(
            f'a crop needs finite numbers, got centre {tuple(center_xy)} and size {tuple(size_wh)}'
        )
    width = round(size_wh[0])
    height = round(size_wh[1])
    if width < 1 or height < 1:
        raise ValueError(f'a crop needs at least one pixel, got size {tuple(size_wh)}')
    x1 = round(center_xy[0] - (width + 1) / 2)
    y1 = round(center_xy[1] - (height + 1) / 2)
    return x1, y1, x1 + width, y1 + height


def mean_color(image: np.ndarray) -> np.ndarray:
    """Mean of each channel of ``(H, W, C)``, ``(C,)`` float64: the padding colour of SiamFC
    crops."""
    return np.asarray(cv2.mean(image)[: image.shape[2]])


def crop_region(
    image: np.ndarray, region: Region, out_wh: tuple[int, int], fill: Sequence[float] | np.ndarray
) -> np.ndarray:
    """Cut a region that may reach outside the frame and resize it bilinearly.

    Only the visible part is touched and only the outside is padded: the cost follows the region,
    never the frame.

    Args:
        image: ``(H, W, 3)`` uint8.
        region: Corner pair in frame pixels.
        out_wh: Width and height of the result.
        fill: Colour outside the frame, ``(3,)``; truncated to whole numbers as the USOT release
            does.

    Returns:
        ``(out_wh[1], out_wh[0], 3)`` uint8, never a view of ``image``.
    """
    height, width = image.shape[:2]
    x1, y1, x2, y2 = region
    left = min(max(0, -x1), x2 - x1)
    top = min(max(0, -y1), y2 - y1)
    right = min(max(0, x2 - width), x2 - x1)
    bottom = min(max(0, y2 - height), y2 - y1)
    color = tuple(int(v) for v in fill)
    if left + right >= x2 - x1 or top + bottom >= y2 - y1:  # nothing of the frame is visible
        return np.full((out_wh[1], out_wh[0], 3), color, np.uint8)
    patch = image[y1 + top : y2 - bottom, x1 + left : x2 - right]
    if left or top or right or bottom:
        patch = cv2.copyMakeBorder(
            patch, top, bottom, left, right, cv2.BORDER_CONSTANT, value=color
        )
    if (x2 - x1, y2 - y1) == out_wh:
        return patch.copy() if np.shares_memory(patch, image) else patch
    return cv2.resize(patch, out_wh, interpolation=cv2.INTER_LINEAR)


def crop_square(
    image: np.ndarray,
    center_xy: Sequence[float] | np.ndarray,
    side_px: float,
    out_px: int,
    fill: Sequence[float] | np.ndarray,
) -> np.ndarray:
    """The square of ``side_px`` around a centre, resized to ``out_px``.

    Bit for bit the sub-window of the USOT release under the same OpenCV.

    Args:
        image: ``(H, W, 3)`` uint8.
        center_xy: Centre in frame pixels.
        side_px: Side of the square in frame pixels; rounded to whole pixels.
        out_px: Side of the result in pixels.
        fill: Colour outside the frame, ``(3,)``.

    Returns:
        ``(out_px, out_px, 3)`` uint8.

    Raises:
        ValueError: As :func:`square_region`.
    """
    return crop_region(image, square_region(center_xy, side_px), (out_px, out_px), fill)


def boxes_to_crop(boxes_xyxy: np.ndarray, region: Region, out_wh: tuple[int, int]) -> np.ndarray:
    """Boxes ``(..., 4)`` of the frame in the pixels of a crop; same shape, float64, not clipped."""
    x1, y1, x2, y2 = region
    factors = np.array([out_wh[0] / (x2 - x1), out_wh[1] / (y2 - y1)] * 2)
    return (np.asarray(boxes_xyxy, np.float64) - (x1, y1, x1, y1)) * factors


def boxes_from_crop(boxes_xyxy: np.ndarray, region: Region, out_wh: tuple[int, int]) -> np.ndarray:
    """Boxes ``(..., 4)`` of a crop in the pixels of the frame; the inverse of
    :func:`boxes_to_crop`."""
    x1, y1, x2, y2 = region
    factors = np.array([(x2 - x1) / out_wh[0], (y2 - y1) / out_wh[1]] * 2)
    return np.asarray(boxes_xyxy, np.float64) * factors + (x1, y1, x1, y1)
