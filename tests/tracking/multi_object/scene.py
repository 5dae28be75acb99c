"""Two textured squares that cross a textured ground, the scripted detections of them, and a tracker
that needs no weights."""

from __future__ import annotations

import cv2
import numpy as np

from usot_plugin.structures.detections import Detections
from usot_plugin.structures.trajectory import Prediction
from usot_plugin.tracking.base import Tracker, checked_boxes, frames_per_target

FRAMES = 40
SIDE = 24
#: Frames in which the first square is not detected.
GAP = range(12, 22)


def crossing_squares() -> tuple[np.ndarray, np.ndarray]:
    """Frames ``(T, H, W, 3)`` and boxes ``(2, T, 4)``; the first square turns a corner inside the
    gap."""
    rng = np.random.default_rng(0)
    ground = cv2.GaussianBlur(rng.integers(0, 120, (200, 260, 3), np.uint8), (0, 0), 2)
    squares = [
        cv2.GaussianBlur(rng.integers(90, 256, (SIDE, SIDE, 3), np.uint8), (0, 0), 1)
        for _ in range(2)
    ]
    frames, boxes = np.empty((FRAMES, *ground.shape), np.uint8), np.empty((2, FRAMES, 4))
    for t in range(FRAMES):
        corners = [(20 + 6 * min(t, 14), 20 + 3 * max(0, t - 14)), (200 - 4 * t, 165)]
        frames[t] = ground
        for k, (x, y) in enumerate(corners):
            frames[t, y : y + SIDE, x : x + SIDE] = squares[k]
            boxes[k, t] = x, y, x + SIDE, y + SIDE
    return frames, boxes


def scripted(boxes: np.ndarray, t: int, gap: range = GAP) -> Detections:
    """Both squares in frame ``t``, the first one not inside the gap; labels 0 and 0, scores 0.9 and
    0.95."""
    keep = [k for k in range(2) if not (k == 0 and t in gap)]
    return Detections(boxes[keep, t], np.array([0.9, 0.95])[keep], np.zeros(len(keep)))


class TemplateTracker(Tracker):
    """Looks for the first picture of its target within ``reach`` pixels by normalised correlation;
    ``starts`` counts its inits."""

    def __init__(self, reach: int = 12) -> None:
        self.reach, self.starts = reach, 0

    def init(self, frames, boxes_xyxy):
        self.starts += 1
        per_target = frames_per_target(frames, 1)
        x1, y1, x2, y2 = checked_boxes(boxes_xyxy, per_target)[0].round().astype(int)
        return per_target[0][y1:y2, x1:x2], (x1, y1)

    def update(self, frames, state):
        template, (x, y) = state
        height, width = template.shape[:2]
        left, top = max(0, x - self.reach), max(0, y - self.reach)
        area = frames[top : y + height + self.reach, left : x + width + self.reach]
        response = cv2.matchTemplate(area, template, cv2.TM_CCOEFF_NORMED)
        row, column = np.unravel_index(response.argmax(), response.shape)
        x, y = left + int(column), top + int(row)
        score = float(np.clip(response.max(), 0, 1))
        box = np.array([[x, y, x + width, y + height]], np.float64)
        return Prediction(box, np.array([score]), np.array([score < 0.5])), (template, (x, y))
