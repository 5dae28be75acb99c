"""What a tracker says about one target over one sequence."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Prediction:
    """What a tracker says of ``B`` targets in one frame.

    Attributes:
        boxes_xyxy: ``(B, 4)`` float64, pixels of the frame.
        scores: ``(B,)`` confidence in [0, 1].
        lost: ``(B,)`` bool, the tracker itself believes that the target is not in the frame.
    """

    boxes_xyxy: np.ndarray
    scores: np.ndarray
    lost: np.ndarray


@dataclass(frozen=True)
class Trajectory:
    """One target over ``T`` frames; frame 0 is the frame the tracker was initialised on.

    Attributes:
        boxes_xyxy: ``(T, 4)`` float64; nan where nothing was predicted.
        scores: ``(T,)`` confidence in [0, 1]; 1 at the first frame.
        lost: ``(T,)`` bool.
        seconds: ``(T,)`` wall-clock time of init (first) and of each update, decoding excluded.
    """

    boxes_xyxy: np.ndarray
    scores: np.ndarray
    lost: np.ndarray
    seconds: np.ndarray

    def __post_init__(self) -> None:
        lengths = {len(self.boxes_xyxy), len(self.scores), len(self.lost), len(self.seconds)}
        if len(lengths) != 1:
            raise ValueError(f'a trajectory needs equally long columns, got lengths {sorted(lengths)}')

    def __len__(self) -> int:
        return len(self.boxes_xyxy)
