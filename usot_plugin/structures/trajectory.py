"""What a tracker says about one target over one sequence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .boxes import is_valid
from .regions import BoxRegion, Region


@dataclass(frozen=True)
class Prediction:
    """What a tracker says of ``B`` targets in one frame.

    Attributes:
        boxes_xyxy: ``(B, 4)`` float64, pixels of the frame.
        scores: ``(B,)`` confidence in [0, 1].
        lost: ``(B,)`` bool, the tracker itself believes that the target is not in the frame.
        regions: ``B`` polygons or masks (None = no region), from trackers that know more of the
            target than its box.

    Raises:
        ValueError: Another number of regions than boxes.
    """

    boxes_xyxy: np.ndarray
    scores: np.ndarray
    lost: np.ndarray
    regions: Sequence[Region | None] | None = None

    def __post_init__(self) -> None:
        if self.regions is not None and len(self.regions) != len(self.boxes_xyxy):
            raise ValueError(f'{len(self.regions)} regions beside {len(self.boxes_xyxy)} boxes')

    @classmethod
    def concat(cls, predictions: Sequence[Prediction]) -> Prediction:
        """One prediction of all targets, in order; with regions where any of them has regions."""
        boxes, scores, lost = (
            np.concatenate([getattr(entry, name) for entry in predictions])
            for name in ('boxes_xyxy', 'scores', 'lost')
        )
        if all(entry.regions is None for entry in predictions):
            return cls(boxes, scores, lost)
        return cls(
            boxes,
            scores,
            lost,
            [
                entry.region(target)
                for entry in predictions
                for target in range(len(entry.boxes_xyxy))
            ],
        )

    def region(self, target: int) -> Region | None:
        """What the tracker says of one target: its region where there are regions, else its box;
        None for a box without area."""
        if self.regions is not None:
            return self.regions[target]
        box = self.boxes_xyxy[target]
        return BoxRegion(box) if is_valid(box) else None


@dataclass(frozen=True)
class Trajectory:
    """One target over ``T`` frames; frame 0 is the frame the tracker was initialised on.

    Attributes:
        boxes_xyxy: ``(T, 4)`` float64; nan where nothing was predicted.
        scores: ``(T,)`` confidence in [0, 1]; 1 at the first frame.
        lost: ``(T,)`` bool.
        seconds: ``(T,)`` wall-clock time of init (first) and of each update, decoding excluded.
        regions: ``T`` polygons or masks (None = no region) of trackers that report them.
    """

    boxes_xyxy: np.ndarray
    scores: np.ndarray
    lost: np.ndarray
    seconds: np.ndarray
    regions: Sequence[Region | None] | None = None

    def __post_init__(self) -> None:
        lengths = {len(self.boxes_xyxy), len(self.scores), len(self.lost), len(self.seconds)}
        lengths |= set() if self.regions is None else {len(self.regions)}
        if len(lengths) != 1:
            raise ValueError(
                f'a trajectory needs equally long columns, got lengths {sorted(lengths)}'
            )

    def __len__(self) -> int:
        return len(self.boxes_xyxy)
