"""Several trajectories through one set of candidates.

The paper finds one object per video. Here the same dynamic programme runs again and again: after
each trajectory, every candidate that lies on it is taken out, and the next run finds the best path
through the rest. An assignment between neighbouring frames would need a track to be seen in
(almost) every frame; the programme jumps over frames in which motion gives no candidate, and the
first trajectory is exactly the one of the single-object mode.
"""

from __future__ import annotations

import numpy as np

from ..structures.boxes import box_areas
from .config import DiscoveryConfig
from .trajectory_dp import best_trajectory, fill_boxes


def overlap_of_smaller(a_xyxy: np.ndarray, b_xyxy: np.ndarray) -> np.ndarray:
    """Intersection over the area of the smaller of two boxes, ``(...)`` in [0, 1]; 1 where one
    holds the other."""
    left_top = np.maximum(a_xyxy[..., :2], b_xyxy[..., :2])
    sides = np.clip(np.minimum(a_xyxy[..., 2:], b_xyxy[..., 2:]) - left_top, 0, None)
    smaller = np.minimum(box_areas(a_xyxy), box_areas(b_xyxy))
    return sides[..., 0] * sides[..., 1] / np.where(smaller > 0, smaller, 1)


def link_objects(
    boxes_xyxy: np.ndarray, frames: np.ndarray, config: DiscoveryConfig
) -> list[np.ndarray]:
    """Up to ``objects.per_clip`` trajectories, the most rewarding first.

    Args:
        boxes_xyxy: ``(N, 4)`` candidates.
        frames: ``(N,)`` their frames, ascending.
        config: Rewards, number of objects, and how much overlap takes a candidate out.

    Returns:
        Indices of the candidates of each trajectory, ascending. No candidate is in two of them,
        none has fewer than ``min_picks``.
    """
    boxes = np.asarray(boxes_xyxy, np.float64)
    left = np.arange(len(frames))
    found: list[np.ndarray] = []
    while len(left) and len(found) < config.objects.per_clip:
        path = left[best_trajectory(boxes[left], frames[left], config.trajectory)]
        if len(path) < config.objects.min_picks:  # what follows has still less reward
            break
        found.append(path)
        first = frames[path[0]]
        along = fill_boxes(
            boxes[path], frames[path] - first, int(frames[path[-1]] - first) + 1, config.fill
        )
        inside = (frames[left] >= first) & (frames[left] <= frames[path[-1]])
        beside = along[np.clip(frames[left] - first, 0, len(along) - 1)]
        taken = inside & (overlap_of_smaller(boxes[left], beside) > config.objects.suppress_overlap)
        left = left[~(taken | np.isin(left, path))]
    return found
