"""Detected and tracked objects of one frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Detections:
    """What a detector found in one frame.

    Attributes:
        boxes_xyxy: ``(N, 4)`` float64, pixels of the frame.
        scores: ``(N,)`` in [0, 1].
        labels: ``(N,)`` int64 class numbers.

    Raises:
        ValueError: Columns of different length.
    """

    boxes_xyxy: np.ndarray
    scores: np.ndarray
    labels: np.ndarray

    def __post_init__(self) -> None:
        object.__setattr__(
            self, 'boxes_xyxy', np.asarray(self.boxes_xyxy, np.float64).reshape(-1, 4)
        )
        object.__setattr__(self, 'scores', np.asarray(self.scores, np.float64))
        object.__setattr__(self, 'labels', np.asarray(self.labels, np.int64))
        lengths = {len(self.boxes_xyxy), len(self.scores), len(self.labels)}
        if len(lengths) != 1:
            raise ValueError(f'detections need equally long columns, got lengths {sorted(lengths)}')

    def __len__(self) -> int:
        return len(self.boxes_xyxy)

    def __getitem__(self, chosen: np.ndarray) -> Detections:
        """Those that a bool mask or an array of positions names."""
        return Detections(self.boxes_xyxy[chosen], self.scores[chosen], self.labels[chosen])


@dataclass(frozen=True)
class TrackedObjects:
    """Objects of one frame with their identities.

    Attributes:
        ids: ``(N,)`` int64.
        found: Box, score and label of each.
        carried: ``(N,)`` bool, True where no detection was there and a single-object tracker gave
            the box.
    """

    ids: np.ndarray
    found: Detections
    carried: np.ndarray

    def __len__(self) -> int:
        return len(self.ids)
