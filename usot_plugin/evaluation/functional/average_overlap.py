"""Average overlap and success rate as GOT-10k defines them.

Reference:
    GOT-10k (Huang et al., TPAMI 2021, arXiv:1810.11981), Sec. 4.1; the details are those of its
    toolkit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from usot_plugin.structures.boxes import iou, is_valid, xywh_to_xyxy, xyxy_to_xywh


@dataclass(frozen=True)
class OverlapScore:
    """Overlaps of all frames that count.

    Attributes:
        overlaps: ``(N,)`` in [0, 1], of all repetitions one after the other.
    """

    overlaps: np.ndarray

    @property
    def average_overlap(self) -> float:
        """AO: mean overlap."""
        return float(self.overlaps.mean())

    def success_rate(self, threshold: float) -> float:
        """SR: share of frames whose overlap is strictly above ``threshold``."""
        return float((self.overlaps > threshold).mean())


def score_overlaps(
    repetitions_xyxy: Sequence[np.ndarray],
    annotated_xyxy: np.ndarray,
    size_wh: tuple[int, int],
    origin: int = 0,
) -> OverlapScore:
    """Score one sequence.

    The first frame is left out, and every frame without annotation (``cover`` 0 in GOT-10k). A
    predicted box that is nan is a miss.

    Args:
        repetitions_xyxy: Boxes ``(T, 4)`` of each repetition, 0-based pixels.
        annotated_xyxy: ``(T, 4)``, nan where the target is absent.
        size_wh: Frame size in pixels.
        origin: Coordinate of the first pixel's corner in the benchmark's own files, see
            :func:`bounded_overlaps`.

    Raises:
        ValueError: Different lengths, no repetition, or no annotated frame after the first.
    """
    annotated = np.asarray(annotated_xyxy, np.float64)
    for predicted in repetitions_xyxy:
        if np.shape(predicted) != annotated.shape:
            raise ValueError(
                'predicted and annotated boxes are (T, 4) with the same T, got '
                f'{np.shape(predicted)} and {annotated.shape}'
            )
    if not repetitions_xyxy:
        raise ValueError('there is no repetition to score')
    present = is_valid(annotated)
    present[0] = False
    if not present.any():
        raise ValueError(
            'no frame after the first is annotated; where a server keeps the annotation, only it '
            'can score'
        )
    overlaps = [
        bounded_overlaps(np.asarray(boxes)[present], annotated[present], size_wh, origin)
        for boxes in repetitions_xyxy
    ]
    return OverlapScore(np.concatenate(overlaps))


def bounded_overlaps(
    predicted_xyxy: np.ndarray,
    annotated_xyxy: np.ndarray,
    size_wh: tuple[int, int],
    origin: int = 0,
) -> np.ndarray:
    """IoU of boxes ``(N, 4)`` that are kept inside the frame, ``(N,)``; 0 where the predicted box
    is nan.

    Bounded as the got10k toolkit does it, on the numbers of its files: the corner is clipped to
    ``[0, size]``, then the sides to what is left. A box that sticks out on the left or at the top
    is so moved in rather than cut, and with ``origin`` 1 the frame begins one pixel to the left of
    it.
    """
    bounded = [
        _bounded(np.asarray(boxes, np.float64), size_wh, origin)
        for boxes in (predicted_xyxy, annotated_xyxy)
    ]
    return np.nan_to_num(np.minimum(iou(*bounded), 1), nan=0.0)


def _bounded(boxes_xyxy: np.ndarray, size_wh: tuple[int, int], origin: int) -> np.ndarray:
    boxes = xyxy_to_xywh(boxes_xyxy)
    size = np.array(size_wh, np.float64)
    corners = np.clip(boxes[:, :2] + origin, 0, size)
    return xywh_to_xyxy(np.concatenate([corners, np.clip(boxes[:, 2:], 0, size - corners)], 1))
