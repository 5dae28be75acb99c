"""Candidate boxes of one frame: connected areas that move differently from the rest.

USOT (arXiv:2108.12711), Sec. 3.1 "Candidate Box Generation" and the rules of its release.
"""

from __future__ import annotations

import cv2
import numpy as np

from ..structures.boxes import iou
from .config import CandidatesConfig


def has_salient_motion(distance: np.ndarray, config: CandidatesConfig) -> bool:
    """The release's gate: the scene is still as a whole, or something in it moves far from the
    mean."""
    mean = float(distance.mean())
    peak = float(distance.max())
    return peak > config.min_peak_px and (
        mean < config.gate_mean_px or peak > config.gate_peak_ratio * mean
    )


def motion_mask(distance: np.ndarray, alpha: float) -> np.ndarray:
    """Pixels whose distance is at least ``alpha max + (1 - alpha) mean``, ``(H, W)`` uint8, 0 or
    1."""
    threshold = alpha * float(distance.max()) + (1 - alpha) * float(distance.mean())
    return (distance >= threshold).view(np.uint8)


def region_boxes(mask: np.ndarray, min_area: float) -> np.ndarray:
    """Circumscribed rectangles of the 8-connected areas of a mask, without small areas and as if
    small holes were filled.

    Filling a hole never changes the rectangle around it, it only swallows an area that lies in it.
    So holes are looked at only where one rectangle lies in another.

    Args:
        mask: ``(H, W)`` uint8, 0 for background.
        min_area: Areas and holes (4-connected background that does not reach the border) with fewer
            pixels are removed.

    Returns:
        ``(N, 4)`` int32 ``x1, y1, x2, y2``, ends exclusive, in raster order of the areas.
    """
    boxes, labels, small = _components(mask, 8, min_area)
    if not _any_nested(boxes):
        return boxes
    kept = np.where(small[labels], 0, mask)
    _, labels, small = _components((kept == 0).view(np.uint8), 4, min_area)
    rim = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    small[rim] = False
    kept[small[labels]] = 1
    return _components(kept, 8, min_area)[0]


def _components(
    mask: np.ndarray, connectivity: int, min_area: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Boxes of the components of at least ``min_area`` pixels, the label map, and for each label
    whether it is smaller."""
    _, labels, stats, _ = cv2.connectedComponentsWithStatsWithAlgorithm(
        mask, connectivity, cv2.CV_32S, cv2.CCL_GRANA
    )
    small = stats[:, cv2.CC_STAT_AREA] < min_area
    small[0] = False  # label 0 is what the mask leaves out
    x, y, w, h = stats[1:, :4][~small[1:]].T
    return np.stack([x, y, x + w, y + h], axis=1), labels, small


def _any_nested(boxes_xyxy: np.ndarray) -> bool:
    """Whether a box lies in another one."""
    first, second = boxes_xyxy[:, None], boxes_xyxy[None]
    inside = (first[..., :2] >= second[..., :2]).all(-1) & (first[..., 2:] <= second[..., 2:]).all(
        -1
    )
    return bool(inside.sum() > len(boxes_xyxy))


def score_boxes(
    boxes_xyxy: np.ndarray,
    map_wh: tuple[int, int],
    peak_xy: tuple[int, int],
    config: CandidatesConfig,
    unit_xy: tuple[float, float] = (1.0, 1.0),
) -> np.ndarray:
    """Score ``Sc`` of rectangles: large ones in the middle of the map win.

    Args:
        boxes_xyxy: ``(N, 4)`` in pixels of the cut map, ends exclusive.
        map_wh: Size of the cut map.
        peak_xy: Pixel at which the distance is largest.
        config: Weights and bounds.
        unit_xy: Pixels of the config's unit per map pixel.

    Returns:
        ``(N,)`` float64; ``-inf`` for rectangles that a rule drops.

    Reference:
        USOT (arXiv:2108.12711), Eq. 2; the factors and the rules that drop are the release's.
    """
    unit_x, unit_y = unit_xy
    x1, y1, x2, y2 = np.asarray(boxes_xyxy, np.float64).T
    width, height = (x2 - x1) * unit_x, (y2 - y1) * unit_y
    full_w, full_h = map_wh[0] * unit_x, map_wh[1] * unit_y
    gap_x = np.minimum(x1 * unit_x, full_w - x2 * unit_x)
    gap_y = np.minimum(y1 * unit_y, full_h - y2 * unit_y)
    near_x, near_y = gap_x <= config.border_px, gap_y <= config.border_px

    score = width * height + config.centre_weight * gap_x * gap_y
    has_peak = (x1 <= peak_xy[0]) & (peak_xy[0] < x2) & (y1 <= peak_xy[1]) & (peak_xy[1] < y2)
    score = (
        score
        * np.where(has_peak, config.peak_factor, 1)
        * np.where(near_x, config.border_factor, 1)
        * np.where(near_y, config.border_factor, 1)
    )

    dropped = (width < config.min_side_ratio * full_w) | (height < config.min_side_ratio * full_h)
    dropped |= width * height < config.min_area_px
    dropped |= np.maximum(width, height) > config.max_aspect * np.minimum(width, height)
    dropped |= near_y & (width > config.max_border_span * full_w)
    dropped |= near_x & (height > config.max_border_span * full_h)
    return np.where(dropped, -np.inf, score)


def motion_mask_of(
    box_xyxy: np.ndarray, distance: np.ndarray, config: CandidatesConfig
) -> np.ndarray:
    """The area that a candidate is the rectangle around, holes filled.

    Args:
        box_xyxy: ``(4,)`` int32 of :func:`candidate_boxes`.
        distance: ``(H, W)`` float32 it was found in.
        config: Thresholds.

    Returns:
        ``(h, w)`` bool, as large as the box; all that is above the lowest threshold where no single
        area has this rectangle.
    """
    x1, y1, x2, y2 = (int(value) for value in box_xyxy)
    inside = np.s_[y1:y2, x1:x2]
    for alpha in config.alphas:
        mask = motion_mask(distance, alpha)
        count, labels, stats, _ = cv2.connectedComponentsWithStats(
            mask, connectivity=8, ltype=cv2.CV_32S
        )
        same = (stats[:, :4] == (x1, y1, x2 - x1, y2 - y1)).all(1)
        same[0] = False
        if same.any():
            area = (labels[inside] == int(np.flatnonzero(same)[0])).view(np.uint8)
            contours, _ = cv2.findContours(area, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
            return cv2.drawContours(np.zeros_like(area), contours, -1, 1, cv2.FILLED) > 0
    return motion_mask(distance, min(config.alphas))[inside] > 0


def candidate_boxes(
    distance: np.ndarray, config: CandidatesConfig, unit_xy: tuple[float, float] = (1.0, 1.0)
) -> np.ndarray:
    """The best rectangles of each mask of a distance map.

    Args:
        distance: ``(H, W)`` float32 in pixels of the config's unit, margin already cut.
        config: Thresholds, rules and the number of rectangles per mask.
        unit_xy: Pixels of the config's unit per map pixel.

    Returns:
        ``(N, 4)`` int32 in pixels of the cut map: masks in the order of ``alphas``, best first;
        empty where nothing moves differently.
    """
    if not has_salient_motion(distance, config):
        return np.empty((0, 4), np.int32)
    height, width = distance.shape
    peak_y, peak_x = divmod(int(distance.argmax()), width)
    min_area = config.min_region_px / (unit_xy[0] * unit_xy[1])
    chosen = []
    for alpha in config.alphas:
        boxes = region_boxes(motion_mask(distance, alpha), min_area)
        scores = score_boxes(boxes, (width, height), (peak_x, peak_y), config, unit_xy)
        order = np.argsort(-scores, kind='stable')[: config.per_mask]
        chosen.append(boxes[order[scores[order] > -np.inf]])
    return _without_doubles(np.concatenate(chosen), config.nms)


def _without_doubles(boxes_xyxy: np.ndarray, max_iou: float) -> np.ndarray:
    """Drop every box that overlaps a kept earlier one by more than ``max_iou``."""
    if max_iou >= 1 or len(boxes_xyxy) < 2:
        return boxes_xyxy
    boxes = boxes_xyxy.astype(np.float64)
    kept: list[int] = []
    for i in range(len(boxes)):
        if not kept or iou(boxes[kept], boxes[i]).max() <= max_iou:
            kept.append(i)
    return boxes_xyxy[kept]
