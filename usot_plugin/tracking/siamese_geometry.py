"""Crop geometry and box selection that Siamese trackers share: pure functions on NumPy arrays.

Axis letters: B targets, H W response cells.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from usot_plugin.structures.crops import (
    Region,
    boxes_from_crop,
    boxes_to_crop,
    context_side,
    rect_region,
)


@dataclass(frozen=True)
class SearchWindow:
    """A square search area of one frame.

    Attributes:
        region: Integer square in frame pixels.
        crop_px: Side of the crop it is resized to.
        scale: Crop pixels per frame pixel.
        centre_xy: Centre that was asked for, in frame pixels.
        legacy: Map boxes as the USOT release does, with the centre and ``scale`` instead of the
            exact integer region.
    """

    region: Region
    crop_px: int
    scale: float
    centre_xy: tuple[float, float]
    legacy: bool = False

    def to_crop(self, boxes_xyxy: np.ndarray) -> np.ndarray:
        """Boxes ``(..., 4)`` of the frame in crop pixels."""
        if not self.legacy:
            return boxes_to_crop(boxes_xyxy, self.region, (self.crop_px, self.crop_px))
        x1, y1, x2, _ = self.region
        side = x2 - x1
        # The release rounds the box, measures from the padded frame's corner and normalises by side
        # - 1 here and by side there.
        shifts = np.array([corner + 1 + (max(0, -corner) - 1) / side for corner in (x1, y1)] * 2)
        return (np.round(boxes_xyxy) - shifts) * self.crop_px / (side - 1)

    def to_frame(self, boxes_xyxy: np.ndarray) -> np.ndarray:
        """Boxes ``(..., 4)`` of the crop in frame pixels."""
        if not self.legacy:
            return boxes_from_crop(boxes_xyxy, self.region, (self.crop_px, self.crop_px))
        return (np.asarray(boxes_xyxy, np.float64) - self.crop_px // 2) / self.scale + np.array(
            self.centre_xy * 2
        )


def search_window(
    box_cxcywh: np.ndarray, context: float, exemplar_px: int, crop_px: int, legacy: bool = False
) -> SearchWindow:
    """The square around a target that shows it at the scale of the exemplar crop.

    Args:
        box_cxcywh: ``(4,)`` target in frame pixels.
        context: Context share, see :func:`context_side`.
        exemplar_px: Side of the template crop.
        crop_px: Side of the crop; ``exemplar_px`` for the template itself.
        legacy: See :class:`SearchWindow`.
    """
    cx, cy, w, h = (float(v) for v in box_cxcywh)
    side = context_side(w, h, context)
    region = rect_region((cx, cy), (side * crop_px / exemplar_px,) * 2)
    return SearchWindow(region, crop_px, exemplar_px / side, (cx, cy), legacy)


def change_ratio(values: np.ndarray) -> np.ndarray:
    """How much larger or smaller than 1, as a number >= 1."""
    return np.maximum(values, 1 / values)


def scale_ratio_penalty(
    boxes_wh: np.ndarray, target_wh: np.ndarray, k: float, context: float = 0.5
) -> np.ndarray:
    """Penalty ``exp(-(s_c * r_c - 1) k)`` on a change of scale and of aspect ratio.

    Args:
        boxes_wh: ``(B, 2, H, W)`` predicted sizes in crop pixels.
        target_wh: ``(B, 2)`` current sizes in crop pixels.
        k: Strength.
        context: Context share of the size measure.

    Returns:
        ``(B, H, W)`` in (0, 1].

    Reference:
        SiamRPN (CVPR 2018), Eq. 12.
    """

    def size(w: np.ndarray, h: np.ndarray) -> np.ndarray:
        margin = context * (w + h)
        return np.sqrt((w + margin) * (h + margin))

    width, height = boxes_wh[:, 0], boxes_wh[:, 1]
    target_w, target_h = target_wh[:, 0, None, None], target_wh[:, 1, None, None]
    scale_change = change_ratio(size(width, height) / size(target_w, target_h))
    ratio_change = change_ratio((target_w / target_h) / (width / height))
    return np.exp(-(scale_change * ratio_change - 1) * k)


def hann_window(cells: int) -> np.ndarray:
    """``(cells, cells)`` outer product of Hann windows."""
    return np.outer(np.hanning(cells), np.hanning(cells))
