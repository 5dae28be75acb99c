"""The contract between a tracker and everything that drives one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np

from usot_plugin.structures.boxes import is_valid
from usot_plugin.structures.trajectory import Prediction

#: Sides of a box to start from, in sides of its frame. The search area of a larger one needs gigabytes.
LARGEST_BOX = 2.0


class Tracker(ABC):
    """Follows ``B`` targets from their boxes in one frame.

    State goes in and comes out; the tracker itself remembers no target, so one object serves any number of videos at once. ``frames`` is
    either one ``(H, W, 3)`` uint8 BGR image that all targets live in, or a sequence of ``B`` images, one a target (many sequences as one
    batch).
    """

    @abstractmethod
    def init(self, frames: np.ndarray | Sequence[np.ndarray], boxes_xyxy: np.ndarray) -> Any:
        """Learn ``B`` targets.

        Args:
            frames: One frame for all targets or one per target.
            boxes_xyxy: ``(B, 4)`` or ``(4,)`` boxes in pixels.

        Returns:
            The state to hand to the first :meth:`update`.

        Raises:
            ValueError: There is no box, or one is nan, has no area, lies outside its frame or is more than twice as large.
        """

    @abstractmethod
    def update(self, frames: np.ndarray | Sequence[np.ndarray], state: Any) -> tuple[Prediction, Any]:
        """Find the targets in the next frame; returns the prediction and the new state. The given state stays usable."""


def frames_per_target(frames: np.ndarray | Sequence[np.ndarray], target_count: int) -> list[np.ndarray]:
    """One frame per target, whatever form the caller used.

    Raises:
        ValueError: A wrong number of frames or a frame that is not ``(H, W, 3)`` uint8.
    """
    per_target = [frames] * target_count if isinstance(frames, np.ndarray) and frames.ndim == 3 else list(frames)
    if len(per_target) != target_count:
        raise ValueError(f'{len(per_target)} frames for {target_count} targets: give one frame or one per target')
    for frame in per_target:
        if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8:
            raise ValueError(f'a frame is (H, W, 3) uint8 BGR, got {frame.shape} {frame.dtype}')
    return per_target


def checked_boxes(boxes_xyxy: np.ndarray, frames: Sequence[np.ndarray]) -> np.ndarray:
    """Boxes as ``(B, 4)`` float64.

    Raises:
        ValueError: There is no box, or one is nan, has no area, does not touch its frame or is more than :data:`LARGEST_BOX` times as
            large; the message holds the box.
    """
    boxes = np.atleast_2d(np.asarray(boxes_xyxy, np.float64))
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ValueError(f'boxes are (B, 4), got shape {boxes.shape}')
    if not len(boxes):
        raise ValueError('there is no target box')
    for box, frame, valid in zip(boxes, frames, is_valid(boxes), strict=True):
        height, width = frame.shape[:2]
        if not valid:
            raise ValueError(f'target box x1, y1, x2, y2 = {box.tolist()} is nan or has no area')
        if box[0] >= width or box[1] >= height or box[2] <= 0 or box[3] <= 0:
            raise ValueError(f'target box x1, y1, x2, y2 = {box.tolist()} lies outside the {width}x{height} frame')
        if box[2] - box[0] > LARGEST_BOX * width or box[3] - box[1] > LARGEST_BOX * height:
            raise ValueError(f'target box x1, y1, x2, y2 = {box.tolist()} is more than {LARGEST_BOX:g} times the {width}x{height} frame')
    return boxes
