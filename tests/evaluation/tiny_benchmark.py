"""A folder of small annotated sequences, and a tracker that knows the answer: what the tests of
running and scoring share."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from usot_plugin.registry import TASK_UTILS
from usot_plugin.structures.boxes import xyxy_to_xywh
from usot_plugin.structures.trajectory import Prediction
from usot_plugin.testing.media import moving_square_frames, write_frames
from usot_plugin.tracking.base import Tracker, checked_boxes, frames_per_target


def write_sequence(
    folder: Path, frames: np.ndarray, boxes_xyxy: np.ndarray, origin: int = 0
) -> Path:
    """One ``<folder>/{img/*.png, groundtruth.txt}``."""
    write_frames(folder / 'img', frames)
    boxes = xyxy_to_xywh(boxes_xyxy)
    boxes[:, :2] += origin
    np.savetxt(folder / 'groundtruth.txt', boxes, fmt='%.4f', delimiter=',')
    return folder


def write_benchmark(root: Path, names: tuple[str, ...] = ('a', 'b', 'c'), frames: int = 6) -> Path:
    """A textured square that moves, in several sequences."""
    for seed, name in enumerate(names):
        images, boxes = moving_square_frames(frames + seed, seed=seed)
        if seed == 1:
            boxes[2] = np.nan
        write_sequence(root / name, images, boxes)
    return root


@TASK_UTILS.register_module(force=True)
class TemplateMatcher(Tracker):
    """Finds the first box again by normalised correlation; a real tracker that needs no network.

    Args:
        lost_below: Correlation below which the target is called lost.
    """

    def __init__(self, lost_below: float = 0.0) -> None:
        self.lost_below = lost_below
        self.updates = 0

    def init(self, frames, boxes_xyxy):
        boxes = checked_boxes(boxes_xyxy, frames_per_target(frames, len(np.atleast_2d(boxes_xyxy))))
        per_target = frames_per_target(frames, len(boxes))
        return [
            (box[2:] - box[:2], frame[int(box[1]) : int(box[3]), int(box[0]) : int(box[2])].copy())
            for frame, box in zip(per_target, boxes, strict=True)
        ]

    def update(self, frames, state):
        self.updates += 1
        boxes, scores = [], []
        for frame, (size, template) in zip(
            frames_per_target(frames, len(state)), state, strict=True
        ):
            response = cv2.matchTemplate(frame, template, cv2.TM_CCOEFF_NORMED)
            _, best, _, (x, y) = cv2.minMaxLoc(response)
            boxes.append([x, y, x + size[0], y + size[1]])
            scores.append(min(1.0, max(0.0, best)))
        return Prediction(
            np.array(boxes, np.float64), np.array(scores), np.array(scores) < self.lost_below
        ), state
