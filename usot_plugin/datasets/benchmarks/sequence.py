"""One annotated sequence."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from usot_plugin.structures.boxes import is_valid
from usot_plugin.structures.clip import Clip


@dataclass(frozen=True)
class AnnotatedSequence:
    """Frames and the box of one target in each of them.

    Attributes:
        name: Name of the sequence, the stem of its result files.
        clip: Its ``T`` frames.
        boxes_xyxy: ``(T, 4)`` float64, 0-based pixels; nan where the target is absent. The first frame has a box.

    Raises:
        ValueError: Another number of boxes than frames, or no box in the first frame.
    """

    name: str
    clip: Clip
    boxes_xyxy: np.ndarray

    def __post_init__(self) -> None:
        boxes = np.asarray(self.boxes_xyxy, np.float64)
        if boxes.ndim != 2 or boxes.shape[1] != 4:
            raise ValueError(f'{self.name}: boxes are (T, 4), got shape {boxes.shape}')
        if len(boxes) != self.clip.frame_count:
            raise ValueError(f'{self.name}: {len(boxes)} boxes for {self.clip.frame_count} frames')
        if not is_valid(boxes[0]):
            raise ValueError(f'{self.name}: the first frame has no box to start from ({boxes[0].tolist()})')
        object.__setattr__(self, 'boxes_xyxy', boxes)

    def __len__(self) -> int:
        return len(self.boxes_xyxy)

    @property
    def present(self) -> np.ndarray:
        """Whether the target is annotated in each frame, ``(T,)`` bool."""
        return is_valid(self.boxes_xyxy)
