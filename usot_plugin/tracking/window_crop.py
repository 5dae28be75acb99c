"""Crops of windows with sub-pixel borders, for trackers that follow a target by fractions of a
pixel."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

BLACK = (0, 0, 0)


def crop_window(
    image: np.ndarray,
    centre_xy: Sequence[float] | np.ndarray,
    size_wh: Sequence[float] | np.ndarray,
    out_wh: tuple[int, int],
    fill: Sequence[float] | np.ndarray = BLACK,
    legacy: bool = False,
) -> np.ndarray:
    """Resample a window of the frame, each axis by itself, at its exact place.

    Args:
        image: ``(H, W, 3)`` uint8.
        centre_xy: Centre of the window in frame pixels.
        size_wh: Its size in frame pixels; it may reach outside the frame.
        out_wh: Size of the crop.
        fill: Colour outside the frame.
        legacy: As DCFNet's release: the window's borders lie on the centres of the outermost pixels
            of the crop, so that it shows ``out - 1`` pixels for the window.

    Returns:
        ``(out_wh[1], out_wh[0], 3)`` uint8, bilinear.
    """
    left, top = (centre - size / 2 for centre, size in zip(centre_xy, size_wh, strict=True))
    if legacy:
        scales = [(out - 1) / size for out, size in zip(out_wh, size_wh, strict=True)]
        offsets = [-scales[0] * left, -scales[1] * top]
    else:
        # OpenCV counts from pixel centres; continuous coordinates lie half a pixel beside them.
        scales = [out / size for out, size in zip(out_wh, size_wh, strict=True)]
        offsets = [
            scale * (0.5 - corner) - 0.5 for scale, corner in zip(scales, (left, top), strict=True)
        ]
    matrix = np.array([[scales[0], 0, offsets[0]], [0, scales[1], offsets[1]]])
    color = tuple(int(value) for value in fill)
    return cv2.warpAffine(
        image,
        matrix,
        out_wh,
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=color,
    )
