"""A single-object tracker that carries the objects of a multi-object tracker through missed
detections."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from usot_plugin.registry import TASK_UTILS
from usot_plugin.structures.boxes import iou
from usot_plugin.structures.detections import Detections, TrackedObjects
from usot_plugin.tracking.base import Tracker

from .association import Association


@dataclass
class _Object:
    """One identity: its latest box and, inside a gap, the state of the tracker that carries it.

    Attributes:
        track_id: Its present name in the association.
    """

    track_id: int
    box_xyxy: np.ndarray
    label: int
    score: float = 0.0
    hits: int = 0
    gap_frames: int = 0
    state: Any = None
    given_up: bool = False


@TASK_UTILS.register_module()
class CarriedTracks:
    """Associates detections and fills the gaps: identity and box are kept while the detector misses
    an object.

    Where an object that was detected in the frame before is missed, the single-object tracker
    starts from its last detected box (in that frame) and follows it, at most ``max_gap_frames``,
    until a detection is associated with it again. Its boxes are told to the association, so that
    the detection after the gap is looked for where the object is, not where it was. A detection
    that the association takes for a new object (a jump of the camera) gets the identity of the
    carried object that it covers. Objects that are detected cost nothing.

    It follows one video at a time; call :meth:`reset` before the next.

    Args:
        tracker: The single-object tracker; any :class:`Tracker`.
        association: Association or its config.
        min_hits: Detections before an object is carried.
        max_gap_frames: Frames an object is carried at most.
        min_score: The tracker's score below which it is given up.
        adopt_iou: Least overlap of a carried box with the new object that gets its identity.
        duplicate_iou: An object is given up where its carried box overlaps another detected object
            of its class more than this.

    Raises:
        TypeError: ``association`` is none.
        ValueError: ``max_gap_frames`` or ``min_hits`` is not positive.
    """

    def __init__(
        self,
        tracker: Tracker,
        association: Association | Mapping[str, Any],
        min_hits: int = 3,
        max_gap_frames: int = 30,
        min_score: float = 0.3,
        adopt_iou: float = 0.4,
        duplicate_iou: float = 0.7,
    ) -> None:
        if min(max_gap_frames, min_hits) < 1:
            raise ValueError(
                'CarriedTracks: max_gap_frames and min_hits must be positive, got '
                f'{max_gap_frames} and {min_hits}'
            )
        built = (
            TASK_UTILS.build(dict(association)) if isinstance(association, Mapping) else association
        )
        if not isinstance(built, Association):
            raise TypeError(f'CarriedTracks: association must be one, got {type(built).__name__}')
        self.tracker, self.association = tracker, built
        self.min_hits, self.max_gap_frames, self.min_score = min_hits, max_gap_frames, min_score
        self.adopt_iou, self.duplicate_iou = adopt_iou, duplicate_iou
        self.reset()

    def reset(self) -> None:
        """Forget all objects; a new video begins."""
        self.association.reset()
        self._objects: dict[int, _Object] = {}
        self._next_id = 0
        self._frame_index = -1
        self._frame: np.ndarray | None = None

    def update(self, frame: np.ndarray, detections: Detections) -> TrackedObjects:
        """The objects of the next frame, detected ones first.

        Args:
            frame: ``(H, W, 3)`` uint8 BGR.
            detections: What was detected in it.
        """
        self._frame_index += 1
        found = self.association.assign(self._frame_index, detections)
        identity = {known.track_id: key for key, known in self._objects.items()}
        missed = [key for key, known in self._objects.items() if known.track_id not in found.ids]
        followed = [key for key in missed if self._follow(frame, self._objects[key])]
        self._adopt(followed, found, identity)
        for track_id in found.ids.tolist():
            if track_id not in identity:
                identity[track_id], self._next_id = self._next_id, self._next_id + 1
        seen = TrackedObjects(
            np.array([identity[i] for i in found.ids.tolist()], np.int64),
            found.found,
            found.carried,
        )
        self._note_seen(seen, found.ids)
        carried = [
            key
            for key in followed
            if key not in seen.ids and not self._is_duplicate(self._objects[key], seen)
        ]
        boxes = self._as_carried(carried)
        names = np.array([self._objects[key].track_id for key in carried], np.int64)
        self.association.correct(
            self._frame_index, TrackedObjects(names, boxes.found, boxes.carried)
        )
        self._clean(missed, seen)
        self._frame = frame
        both = [np.concatenate(pair) for pair in zip(_columns(seen), _columns(boxes), strict=True)]
        return TrackedObjects(both[0], Detections(*both[1:4]), both[4])

    def _follow(self, frame: np.ndarray, known: _Object) -> bool:
        """Move a missed object on by one frame; False, for good, where it cannot be carried any
        further."""
        known.gap_frames += 1
        if (
            known.given_up
            or known.hits < self.min_hits
            or known.gap_frames > self.max_gap_frames
            or self._frame is None
        ):
            return self._give_up(known)
        if known.state is None:
            try:
                known.state = self.tracker.init(self._frame, known.box_xyxy)
            except ValueError:
                # The detected box lies outside the frame or is far larger: nothing to learn from.
                return self._give_up(known)
        prediction, known.state = self.tracker.update(frame, known.state)
        if prediction.lost[0] or prediction.scores[0] < self.min_score:
            return self._give_up(known)
        known.box_xyxy = np.asarray(prediction.boxes_xyxy[0], np.float64)
        known.score = float(prediction.scores[0])
        return True

    @staticmethod
    def _give_up(known: _Object) -> bool:
        known.given_up, known.state = True, None
        return False

    def _adopt(self, followed: list[int], found: TrackedObjects, identity: dict[int, int]) -> None:
        """Give identities of followed objects to new ones that cover them; ``identity`` maps names
        of the association to ours."""
        new = [at for at, track_id in enumerate(found.ids.tolist()) if track_id not in identity]
        for key in followed:
            known = self._objects[key]
            open_ones = [
                at
                for at in new
                if found.ids[at] not in identity and found.found.labels[at] == known.label
            ]
            overlaps = iou(known.box_xyxy[None], found.found.boxes_xyxy[open_ones])
            if len(overlaps) and overlaps.max() >= self.adopt_iou:
                self.association.forget(known.track_id)
                known.track_id = int(found.ids[open_ones[int(overlaps.argmax())]])
                identity[known.track_id] = key

    def _note_seen(self, seen: TrackedObjects, names: np.ndarray) -> None:
        columns = zip(
            seen.ids.tolist(),
            names.tolist(),
            seen.found.boxes_xyxy,
            seen.found.labels.tolist(),
            strict=True,
        )
        for key, track_id, box, label in columns:
            hits = self._objects[key].hits if key in self._objects else 0
            self._objects[key] = _Object(track_id, box, label, hits=hits + 1)

    def _is_duplicate(self, known: _Object, seen: TrackedObjects) -> bool:
        same_class = seen.found.boxes_xyxy[seen.found.labels == known.label]
        covered = (
            len(same_class) > 0
            and float(iou(known.box_xyxy[None], same_class).max()) > self.duplicate_iou
        )
        return covered and not self._give_up(known)

    def _as_carried(self, keys: list[int]) -> TrackedObjects:
        chosen = [self._objects[key] for key in keys]
        boxes = np.array([known.box_xyxy for known in chosen], np.float64)
        found = Detections(
            boxes,
            np.array([known.score for known in chosen]),
            np.array([known.label for known in chosen], np.int64),
        )
        return TrackedObjects(np.array(keys, np.int64), found, np.ones(len(keys), bool))

    def _clean(self, missed: list[int], seen: TrackedObjects) -> None:
        """Drop objects that no detection can be associated with any more."""
        for key in missed:
            if key not in seen.ids and not self.association.knows(self._objects[key].track_id):
                del self._objects[key]


def _columns(objects: TrackedObjects) -> tuple[np.ndarray, ...]:
    return (
        objects.ids,
        objects.found.boxes_xyxy,
        objects.found.scores,
        objects.found.labels,
        objects.carried,
    )
