"""One annotated sequence."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from usot_plugin.structures.boxes import is_valid
from usot_plugin.structures.clip import Clip


@dataclass(frozen=True)
class AnnotatedSequence:
    """Frames and the box of one target in each of them, and what some benchmarks annotate besides.

    Attributes:
        name: Name of the sequence, the stem of its result files.
        clip: Its ``T`` frames.
        boxes_xyxy: ``(T, 4)`` float64, 0-based pixels; nan where the target is absent. The first
            frame has a box. Where the annotation is a polygon or a mask, its bounding box.
        attributes: Names of the sequence's attributes (``'OCC'``, ``'fast motion'`` ...), as the
            benchmark spells them.
        frame_attributes: ``(T,)`` bool for each attribute that is annotated frame by frame.
        regions: ``T`` polygons, masks or boxes (:mod:`usot_plugin.structures.regions`; None =
            absent) where the benchmark scores regions.
        anchors: ``(T,)`` int, VOT multi-start: > 0 starts a run forward, < 0 backward; None
            elsewhere.
        load_labels: Given a frame index, ``(H, W)`` uint8 object labels (0 = background, 255 =
            void), or None where the frame has none; for benchmarks of masks (DAVIS). None
            elsewhere. Can be pickled.

    Raises:
        ValueError: Another number of boxes than frames, or no box in the first frame.
    """

    name: str
    clip: Clip
    boxes_xyxy: np.ndarray
    attributes: tuple[str, ...] = ()
    frame_attributes: Mapping[str, np.ndarray] = field(default_factory=dict)
    regions: tuple[Any, ...] | None = None
    anchors: np.ndarray | None = None
    load_labels: Callable[[int], np.ndarray | None] | None = None

    def __post_init__(self) -> None:
        boxes = np.asarray(self.boxes_xyxy, np.float64)
        if boxes.ndim != 2 or boxes.shape[1] != 4:
            raise ValueError(f'{self.name}: boxes are (T, 4), got shape {boxes.shape}')
        if len(boxes) != self.clip.frame_count:
            raise ValueError(f'{self.name}: {len(boxes)} boxes for {self.clip.frame_count} frames')
        if not is_valid(boxes[0]):
            raise ValueError(
                f'{self.name}: the first frame has no box to start from ({boxes[0].tolist()})'
            )
        extras = {'regions': self.regions, 'anchors': self.anchors, **self.frame_attributes}
        for what, values in extras.items():
            if values is not None and len(values) != len(boxes):
                raise ValueError(
                    f'{self.name}: {len(values)} entries of {what} for {len(boxes)} frames'
                )
        object.__setattr__(self, 'boxes_xyxy', boxes)

    def __len__(self) -> int:
        return len(self.boxes_xyxy)

    @property
    def present(self) -> np.ndarray:
        """Whether the target is annotated in each frame, ``(T,)`` bool."""
        return is_valid(self.boxes_xyxy)
