"""A tracker with a memory: frames go in one by one, the state is kept inside."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from torch import Tensor

from usot_plugin.structures.boxes import own_boxes
from usot_plugin.structures.trajectory import Prediction
from usot_plugin.tracking import Tracker


def as_bgr_u8(image: np.ndarray | Tensor) -> np.ndarray:
    """Any usual image as ``(H, W, 3)`` uint8 BGR.

    Args:
        image: ``(H, W)``, ``(H, W, 1)`` grey, ``(H, W, 3)`` BGR or ``(H, W, 4)`` BGRA; uint8, or
            uint16 whose upper byte is kept. The alpha channel is dropped. A tensor of that form on
            any device will do.

    Raises:
        ValueError: Another shape or dtype, or an empty image.
    """
    if isinstance(image, Tensor):
        image = image.detach().cpu().numpy()
    if (
        not isinstance(image, np.ndarray)
        or image.ndim not in (2, 3)
        or (image.ndim == 3 and image.shape[2] not in (1, 3, 4))
        or not image.size
    ):
        raise ValueError(
            'an image is (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), got '
            f'{getattr(image, "shape", type(image).__name__)}'
        )
    if image.dtype == np.uint16:
        image = (image >> 8).astype(np.uint8)
    if image.dtype != np.uint8:
        raise ValueError(f'an image is uint8 or uint16, got {image.dtype}')
    if image.ndim == 2 or image.shape[2] == 1:
        return cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)
    return np.ascontiguousarray(image[..., :3])


class OnlineTracker:
    """Follows targets through frames that arrive one at a time.

    Example:
        >>> online = OnlineTracker(init_tracker('config.py', 'checkpoint.pth'))
        >>> online.init(first_frame, [[20, 30, 80, 90]])
        >>> prediction = online.update(next_frame)
        >>> prediction.boxes_xyxy, prediction.scores, prediction.lost

    Args:
        tracker: Any tracker.
    """

    def __init__(self, tracker: Tracker) -> None:
        self.tracker = tracker
        self._states: list[Any] = []

    @property
    def started(self) -> bool:
        """Whether there is a target to follow."""
        return bool(self._states)

    def init(self, frame: np.ndarray, boxes_xyxy: np.ndarray | list) -> Prediction:
        """Start with these targets and forget all others.

        Args:
            frame: See :func:`as_bgr_u8`.
            boxes_xyxy: ``(B, 4)`` or ``(4,)``, any array, tensor or list; it is copied.

        Returns:
            The boxes as given, found with score 1.

        Raises:
            ValueError: A box is nan, has no area, lies outside the frame, or is far too large or
                too small.
        """
        boxes = own_boxes(boxes_xyxy)
        self._states = [self.tracker.init(as_bgr_u8(frame), boxes)]
        return _start(boxes)

    def add(self, frame: np.ndarray, boxes_xyxy: np.ndarray | list) -> Prediction:
        """Follow these targets too, from this frame on.

        They come after the others in later predictions. Call :meth:`update` for the frame first, if
        there are others.
        """
        boxes = own_boxes(boxes_xyxy)
        self._states.append(self.tracker.init(as_bgr_u8(frame), boxes))
        return _start(boxes)

    def update(self, frame: np.ndarray) -> Prediction:
        """Find all targets in the next frame.

        Raises:
            RuntimeError: :meth:`init` was not called.
        """
        if not self._states:
            raise RuntimeError('call init(frame, boxes) before update(frame)')
        image = as_bgr_u8(frame)
        results = [self.tracker.update(image, state) for state in self._states]
        self._states = [state for _, state in results]
        return Prediction.concat([prediction for prediction, _ in results])


def _start(boxes: np.ndarray) -> Prediction:
    return Prediction(boxes.copy(), np.ones(len(boxes)), np.zeros(len(boxes), bool))
