"""One object of one clip, as training draws from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..structures.box_masks import runs_to_grid
from ..structures.boxes import is_valid


@dataclass(frozen=True)
class Track:
    """What is known of one object before its clip is opened.

    A track without boxes stands for a whole clip in which a box is found only when a frame is at
    hand (random, centre, ...).

    Attributes:
        clip: Name of the clip below the videos root.
        path: File or folder of its frames.
        object_id: Which object of the clip.
        first_frame: Frame of the clip that the first entry of the columns belongs to.
        length: Number of frames; 0 while unknown.
        boxes_xyxy: ``(L, 4)`` in pixels of the full frame, nan where the object is absent; None
            without boxes.
        frame_quality: ``(L,)`` reliability of each box in [0, 1]; None without boxes.
        centrality: ``(L,)`` bonus for boxes away from the border; None without boxes.
        fragment_first, fragment_last: ``(L,)`` frames of the clip, inclusive, between which the
            object moves smoothly; None without boxes.
        available: ``(L,)`` bool, frames that the reader can give; None for all of them.
        sequence_quality: Quality of the track in (0, 1], USOT's ``Q_v``.
        fingerprint: Of the clip the boxes belong to; empty where unknown.
        mask_runs: ``L`` run lengths of the masks on the grid of each box
            (:func:`~usot_plugin.structures.box_masks.grid_to_runs`), empty where a frame has none;
            None where no frame has one.
    """

    clip: str
    path: str
    object_id: int = 0
    first_frame: int = 0
    length: int = 0
    boxes_xyxy: np.ndarray | None = None
    frame_quality: np.ndarray | None = None
    centrality: np.ndarray | None = None
    fragment_first: np.ndarray | None = None
    fragment_last: np.ndarray | None = None
    available: np.ndarray | None = None
    sequence_quality: float = 1.0
    fingerprint: str = ''
    mask_runs: Sequence[np.ndarray] | None = None

    def usable_frames(self) -> np.ndarray:
        """Frames of the clip that have a box and can be read, ascending int64."""
        usable = (
            np.ones(self.length, bool) if self.boxes_xyxy is None else is_valid(self.boxes_xyxy)
        )
        if self.available is not None:
            usable = usable & self.available
        return np.flatnonzero(usable) + self.first_frame

    def fragment(self, frame_index: int) -> tuple[int, int]:
        """First and last frame, inclusive, of the smooth passage around a frame; the whole track
        where nothing is known."""
        if self.fragment_first is None or self.fragment_last is None:
            return self.first_frame, self.first_frame + self.length - 1
        at = frame_index - self.first_frame
        return int(self.fragment_first[at]), int(self.fragment_last[at])

    def box(self, frame_index: int) -> np.ndarray:
        """Box ``(4,)`` float64 of a frame of the clip.

        Raises:
            ValueError: The track has no boxes.
        """
        if self.boxes_xyxy is None:
            raise ValueError(f'{self.clip}: this track has no boxes')
        return np.asarray(self.boxes_xyxy[frame_index - self.first_frame], np.float64)

    def box_mask(self, frame_index: int) -> np.ndarray | None:
        """Mask ``(M, M)`` bool on the grid of the box of a frame of the clip; None where it is
        unknown."""
        return (
            None
            if self.mask_runs is None
            else runs_to_grid(self.mask_runs[frame_index - self.first_frame])
        )

    def masked_frames(self) -> np.ndarray:
        """Frames of the clip whose mask is known, ascending int64."""
        if self.mask_runs is None:
            return np.zeros(0, np.int64)
        return np.flatnonzero([len(runs) > 0 for runs in self.mask_runs]) + self.first_frame
