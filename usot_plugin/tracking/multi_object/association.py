"""Which detection belongs to which object: two-stage association (ByteTrack), our own and
mmdet's."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import lap
import numpy as np
import torch
from mmengine.structures import InstanceData

from usot_plugin.registry import MODELS, TASK_UTILS
from usot_plugin.structures.boxes import iou
from usot_plugin.structures.detections import Detections, TrackedObjects

#: Cost of a pair of different classes.
NEVER = 1e6
#: Share of the newest motion in a track's velocity.
VELOCITY_RATE = 0.5


class Association(ABC):
    """Gives detections their identities, frame after frame of one video."""

    @abstractmethod
    def reset(self) -> None:
        """Forget all objects; a new video begins."""

    @abstractmethod
    def assign(self, frame_index: int, detections: Detections) -> TrackedObjects:
        """Identities of this frame's detections; those that belong to nothing are left out."""

    @abstractmethod
    def correct(self, frame_index: int, objects: TrackedObjects) -> None:
        """Take over where objects without detection are in this frame, as another tracker saw
        them."""

    @abstractmethod
    def knows(self, track_id: int) -> bool:
        """Whether a detection could still get this identity."""

    @abstractmethod
    def forget(self, track_id: int) -> None:
        """Give this identity to no detection any more."""


def match(cost: np.ndarray, limit: float) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of the cheapest assignment, none of them dearer than ``limit``.

    Args:
        cost: ``(N, M)``.
        limit: Largest cost of a pair.

    Returns:
        Rows and columns of the pairs, ``(K,)`` each.
    """
    if not cost.size:
        return np.zeros(0, int), np.zeros(0, int)
    _, column_of_row, _ = lap.lapjv(cost, extend_cost=True, cost_limit=limit)
    rows = np.flatnonzero(column_of_row >= 0)
    return rows, column_of_row[rows]


@dataclass
class _Track:
    box_xyxy: np.ndarray
    label: int
    last_frame: int
    hits: int = 1
    tentative: bool = True
    velocity: np.ndarray | None = None

    def expected(self, frame_index: int) -> np.ndarray:
        """Where the box would be in a later frame if it kept its velocity."""
        return (
            self.box_xyxy
            if self.velocity is None
            else self.box_xyxy + (frame_index - self.last_frame) * self.velocity
        )

    def move(self, frame_index: int, box_xyxy: np.ndarray) -> None:
        step = (box_xyxy - self.box_xyxy) / max(1, frame_index - self.last_frame)
        self.velocity = (
            step
            if self.velocity is None
            else (1 - VELOCITY_RATE) * self.velocity + VELOCITY_RATE * step
        )
        self.box_xyxy, self.last_frame = box_xyxy, frame_index


@TASK_UTILS.register_module()
class TwoStageAssociation(Association):
    """ByteTrack's association without a Kalman filter: boxes go on with their smoothed velocity.

    First confirmed tracks take detections of high score, then tentative ones what is left of these,
    then confirmed ones that were seen in the frame before take detections of low score. What
    remains of high score begins a track.

    Args:
        high_score: Score above which a detection counts as sure.
        low_score: Score above which a detection may continue a track.
        new_score: Score above which a detection begins a track.
        high_iou, tentative_iou, low_iou: Least overlap in the three stages; in the first two it is
            weighted with the score.
        confirm_hits: Frames with a detection after which a track is no longer tentative; those of
            the first frame never are.
        retain_frames: Frames without detection after which a track is forgotten.

    Reference:
        ByteTrack (arXiv:2110.06864), Alg. 1.
    """

    def __init__(
        self,
        high_score: float = 0.6,
        low_score: float = 0.1,
        new_score: float = 0.7,
        high_iou: float = 0.1,
        tentative_iou: float = 0.3,
        low_iou: float = 0.5,
        confirm_hits: int = 3,
        retain_frames: int = 30,
    ) -> None:
        self.high_score, self.low_score, self.new_score = high_score, low_score, new_score
        self.high_iou, self.tentative_iou, self.low_iou = high_iou, tentative_iou, low_iou
        self.confirm_hits, self.retain_frames = confirm_hits, retain_frames
        self.reset()

    def reset(self) -> None:
        self._tracks: dict[int, _Track] = {}
        self._next_id = 0

    def knows(self, track_id: int) -> bool:
        return track_id in self._tracks

    def forget(self, track_id: int) -> None:
        self._tracks.pop(track_id, None)

    def assign(self, frame_index: int, detections: Detections) -> TrackedObjects:
        ids = np.full(len(detections), -1, np.int64)
        sure = np.flatnonzero(detections.scores > self.high_score)
        weak = np.flatnonzero(
            (detections.scores > self.low_score) & (detections.scores <= self.high_score)
        )
        confirmed = [key for key, track in self._tracks.items() if not track.tentative]
        tentative = [key for key, track in self._tracks.items() if track.tentative]
        self._stage(frame_index, confirmed, detections, sure, ids, self.high_iou, weighted=True)
        self._stage(
            frame_index,
            tentative,
            detections,
            sure[ids[sure] < 0],
            ids,
            self.tentative_iou,
            weighted=True,
        )
        missed = [
            key
            for key in confirmed
            if key not in ids and self._tracks[key].last_frame == frame_index - 1
        ]
        self._stage(frame_index, missed, detections, weak, ids, self.low_iou, weighted=False)
        for at in np.flatnonzero((ids < 0) & (detections.scores > self.new_score)):
            ids[at] = self._next_id
            self._tracks[self._next_id] = _Track(
                detections.boxes_xyxy[at],
                int(detections.labels[at]),
                frame_index,
                tentative=frame_index > 0 and self.confirm_hits > 1,
            )
            self._next_id += 1
        self._forget(frame_index)
        kept = np.flatnonzero(ids >= 0)
        return TrackedObjects(ids[kept], detections[kept], np.zeros(len(kept), bool))

    def _stage(
        self,
        frame_index: int,
        keys: list[int],
        detections: Detections,
        chosen: np.ndarray,
        ids: np.ndarray,
        least_iou: float,
        weighted: bool,
    ) -> None:
        """Match tracks with the chosen detections; the pairs are written into ``ids`` and their
        tracks move."""
        if not keys or not len(chosen):
            return
        expected = np.stack([self._tracks[key].expected(frame_index) for key in keys])
        overlap = iou(expected[:, None], detections.boxes_xyxy[chosen][None])
        if weighted:
            overlap = overlap * detections.scores[chosen]
        labels = np.array([self._tracks[key].label for key in keys])
        cost = 1 - overlap + NEVER * (labels[:, None] != detections.labels[chosen])
        for row, column in zip(*match(cost, 1 - least_iou), strict=True):
            track, at = self._tracks[keys[row]], chosen[column]
            ids[at] = keys[row]
            track.move(frame_index, detections.boxes_xyxy[at])
            track.hits += 1
            track.tentative = track.tentative and track.hits < self.confirm_hits

    def _forget(self, frame_index: int) -> None:
        """Drop tentative tracks that were missed and others that were missed for long."""
        for key, track in list(self._tracks.items()):
            missed = frame_index - track.last_frame
            if (track.tentative and missed) or missed >= self.retain_frames:
                del self._tracks[key]

    def correct(self, frame_index: int, objects: TrackedObjects) -> None:
        for track_id, box in zip(objects.ids.tolist(), objects.found.boxes_xyxy, strict=True):
            if track_id in self._tracks:
                self._tracks[track_id].move(frame_index, box)


@TASK_UTILS.register_module()
class HostAssociation(Association):
    """A multi-object tracker of mmdet that associates by boxes alone (``mmdet.ByteTracker``); it
    needs mmcv with compiled ops.

    Args:
        tracker: Its config, for example ``dict(type='mmdet.ByteTracker',
            motion=dict(type='mmdet.KalmanFilter'))``.
    """

    def __init__(self, tracker: dict[str, Any]) -> None:
        self._host = MODELS.build(tracker)

    def reset(self) -> None:
        self._host.reset()

    def knows(self, track_id: int) -> bool:
        return track_id in self._host.tracks

    def forget(self, track_id: int) -> None:
        self._host.tracks.pop(track_id, None)

    def assign(self, frame_index: int, detections: Detections) -> TrackedObjects:
        from mmdet.structures import DetDataSample  # a tracker of mmdet is there, so mmdet is

        sample = DetDataSample(
            metainfo=dict(frame_id=frame_index), pred_instances=_as_instances(detections)
        )
        found = self._host.track(data_sample=sample)
        tracked = Detections(found.bboxes.numpy(), found.scores.numpy(), found.labels.numpy())
        return TrackedObjects(
            found.instances_id.numpy().astype(np.int64), tracked, np.zeros(len(tracked), bool)
        )

    def correct(self, frame_index: int, objects: TrackedObjects) -> None:
        known = np.array([track_id in self._host.tracks for track_id in objects.ids.tolist()], bool)
        if not known.any():
            return
        instances = _as_instances(objects.found[known])
        # Order and names of the columns are those of the tracker's own calls; it refuses others.
        self._host.update(
            ids=torch.from_numpy(objects.ids[known]),
            bboxes=instances.bboxes,
            scores=instances.scores,
            labels=instances.labels,
            frame_ids=frame_index,
        )


def _as_instances(detections: Detections) -> InstanceData:
    return InstanceData(
        bboxes=torch.as_tensor(detections.boxes_xyxy, dtype=torch.float32),
        scores=torch.as_tensor(detections.scores, dtype=torch.float32),
        labels=torch.as_tensor(detections.labels),
    )
