"""The path of one discovered object: a row of the pseudo-box table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class PseudoTrack:
    """Pseudo boxes of one object over ``L`` consecutive frames of a clip.

    Attributes:
        object_id: Index among the objects of the clip, 0 for the best.
        first_frame: Frame index of the first column entry (0-based, in the clip).
        boxes_xyxy: ``(L, 4)`` float32, pixels of the full-size frame.
        evaluated: ``(L,)`` bool, frames on which flow was computed.
        picked: ``(L,)`` bool, frames whose candidate the dynamic programme chose.
        frame_quality: ``(L,)`` float32, ``Q_f`` of USOT Eq. 5.
        centrality: ``(L,)`` float32, bonus for boxes away from the borders.
        fragment_first: ``(L,)`` int32, ``T_l`` of USOT Eq. 7 as a frame index of the clip.
        fragment_last: ``(L,)`` int32, ``T_u``, inclusive.
        sequence_quality: ``Q_v`` of USOT Eq. 4.
        corner_share: Mean share of frames whose box sits in a corner or at a border.
        mask_runs: ``L`` int32 arrays: the motion mask inside each picked box, as run lengths on a
            grid over the box (:func:`~usot_plugin.structures.box_masks.grid_to_runs`); empty for
            other frames. None where masks were not stored.
    """

    object_id: int
    first_frame: int
    boxes_xyxy: np.ndarray
    evaluated: np.ndarray
    picked: np.ndarray
    frame_quality: np.ndarray
    centrality: np.ndarray
    fragment_first: np.ndarray
    fragment_last: np.ndarray
    sequence_quality: float
    corner_share: float
    mask_runs: Sequence[np.ndarray] | None = None

    def __len__(self) -> int:
        return len(self.boxes_xyxy)
