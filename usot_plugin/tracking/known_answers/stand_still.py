"""The floor that every tracker has to beat."""

from __future__ import annotations

import numpy as np

from usot_plugin.registry import TASK_UTILS
from usot_plugin.structures.trajectory import Prediction

from ..base import Tracker, checked_boxes, frames_per_target, target_count


@TASK_UTILS.register_module()
class StandStill(Tracker):
    """Repeats the first box for ever."""

    def init(self, frames, boxes_xyxy):
        count = target_count(boxes_xyxy)
        return checked_boxes(boxes_xyxy, frames_per_target(frames, count))

    def update(self, frames, state):
        count = len(state)
        return Prediction(state.copy(), np.ones(count), np.zeros(count, bool)), state
