"""Region similarity J and contour accuracy F of segmentation masks.

Reference:
    DAVIS 2016 (Perazzi et al., CVPR 2016), Sec. 4; the details are those of the official evaluation
    of DAVIS 2017 (arXiv:1704.00675).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

#: Share of the image diagonal that two contours may lie apart.
CONTOUR_TOLERANCE = 0.008
#: Above this a frame counts for the recall.
RECALL_THRESHOLD = 0.5
#: The decay is the mean of the first of so many parts less that of the last.
DECAY_PARTS = 4


@dataclass(frozen=True)
class MaskStatistics:
    """Summary of one measure over the frames of one object.

    Attributes:
        mean: Mean over frames.
        recall: Share of frames above :data:`RECALL_THRESHOLD`.
        decay: Mean of the first quarter less that of the last; positive where a tracker gets worse.
    """

    mean: float
    recall: float
    decay: float


def region_similarity(predicted: np.ndarray, annotated: np.ndarray) -> np.ndarray:
    """J: intersection over union of masks ``(..., H, W)`` bool, ``(...)``; 1 where both are
    empty."""
    inter = (predicted & annotated).sum((-2, -1))
    union = (predicted | annotated).sum((-2, -1))
    return np.where(union == 0, 1.0, inter / np.maximum(union, 1))


def contour_accuracy(
    predicted: np.ndarray, annotated: np.ndarray, tolerance: float = CONTOUR_TOLERANCE
) -> np.ndarray:
    """F: harmonic mean of the shares of each contour that lies near the other one.

    Args:
        predicted: ``(..., H, W)`` bool.
        annotated: The same shape.
        tolerance: What is near, in diagonals of the image; rounded up to whole pixels.

    Returns:
        ``(...)`` in [0, 1]; 1 where neither mask has a contour, 0 where one has.
    """
    radius_px = np.ceil(tolerance * np.hypot(*predicted.shape[-2:]))
    shape = predicted.shape[:-2]
    pairs = zip(
        *(contours(masks).reshape(-1, *masks.shape[-2:]) for masks in (predicted, annotated)),
        strict=True,
    )
    return np.array([_contour_f(first, second, radius_px) for first, second in pairs]).reshape(
        shape
    )


def contours(masks: np.ndarray) -> np.ndarray:
    """Pixels ``(..., H, W)`` that differ from their neighbour to the right, below, or both; the
    image goes on beyond its border."""
    padded = np.pad(masks, [(0, 0)] * (masks.ndim - 2) + [(0, 1), (0, 1)], mode='edge')
    here = padded[..., :-1, :-1]
    return (
        (here ^ padded[..., :-1, 1:]) | (here ^ padded[..., 1:, :-1]) | (here ^ padded[..., 1:, 1:])
    )


def statistics(values: np.ndarray) -> MaskStatistics:
    """Summary of a measure ``(T,)``; nan is left out.

    Raises:
        ValueError: There is no value.
    """
    if not np.isfinite(values).any():
        raise ValueError('no frame to score')
    borders = (np.round(np.linspace(1, len(values), DECAY_PARTS + 1) + 1e-10) - 1).astype(int)
    first, last = values[borders[0] : borders[1] + 1], values[borders[-2] : borders[-1] + 1]
    decay = _mean(first) - _mean(last)
    known = values[np.isfinite(values)]
    return MaskStatistics(float(known.mean()), float((known > RECALL_THRESHOLD).mean()), decay)


def _mean(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float('nan')


def _contour_f(predicted: np.ndarray, annotated: np.ndarray, radius_px: float) -> float:
    if not predicted.any() or not annotated.any():
        return float(predicted.any() == annotated.any())
    precision = _near(predicted, annotated, radius_px)
    recall = _near(annotated, predicted, radius_px)
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _near(contour: np.ndarray, other: np.ndarray, radius_px: float) -> float:
    """Share of the pixels of one contour that have one of the other within the radius."""
    distance_px = cv2.distanceTransform(
        (~other).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE
    )
    # Squared distances are whole numbers, so half a unit keeps rounding out.
    return float((distance_px[contour].astype(np.float64) ** 2 <= radius_px**2 + 0.5).mean())
