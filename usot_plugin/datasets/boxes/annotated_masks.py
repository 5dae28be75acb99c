"""Real masks as box sources: of every frame for SiamMask, of first frames alone for the published
CycleSiam+."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np

from usot_plugin.registry import TASK_UTILS
from usot_plugin.structures.box_masks import grid_from_mask, grid_to_runs
from usot_plugin.structures.regions import MaskRegion

from ..benchmarks.annotations import AnnotationError
from ..benchmarks.base import BenchmarkDataset
from ..benchmarks.davis import VOID
from ..benchmarks.sequence import AnnotatedSequence
from ..track import Track
from .annotated_boxes import AnnotatedBoxes


@TASK_UTILS.register_module()
class AnnotatedMasks(AnnotatedBoxes):
    """Annotated boxes and masks of every frame, for a supervised SiamMask.

    Masks are of the object with the smallest label of the first frame, whose boxes such a data set
    gives.

    Args:
        sequences: A data set with masks, or its config: ``dict(type='DAVISDataset',
            data_root=...)``.
        **kwargs: As :class:`AnnotatedBoxes`.
    """

    why_no_masks = ''

    def track(self, row: int) -> Track:
        return _load_masks(self, row)


@lru_cache(maxsize=64)
def _load_masks(source: AnnotatedMasks, row: int) -> Track:
    track = AnnotatedBoxes.track(source, row)
    sequence = source._dataset[int(source.rows[row])]
    _, target = _first_object(sequence)
    runs = [np.zeros(0, np.int32)] * track.length
    for index in track.usable_frames().tolist():
        labels = None if sequence.load_labels is None else sequence.load_labels(index)
        if labels is not None:
            runs[index] = grid_to_runs(grid_from_mask(labels == target, track.box(index)))
    return replace(track, mask_runs=runs)


def _first_object(sequence: AnnotatedSequence) -> tuple[np.ndarray, int]:
    """Labels of the first frame, and the smallest of an object in it.

    Raises:
        AnnotationError: The first frame has no mask, or no object in it.
    """
    labels = None if sequence.load_labels is None else sequence.load_labels(0)
    if labels is None:
        raise AnnotationError(sequence.clip.path, 'the first frame has no mask')
    objects = np.setdiff1d(labels, (0, VOID))
    if not len(objects):
        raise AnnotationError(sequence.clip.path, 'the mask of the first frame has no object')
    return labels, int(objects[0])


@TASK_UTILS.register_module()
class AnnotatedFirstMasks(AnnotatedBoxes):
    """The mask of the first frame and the box around it, for that frame and the few after it;
    nothing else of the annotation is used.

    Args:
        sequences: A data set with masks, or its config: ``dict(type='DAVISDataset',
            data_root=...)``.
        reach_frames: The first frame and this many after it are drawn; crops of all of them lie
            around the first box.
        **kwargs: As :class:`AnnotatedBoxes`.

    Raises:
        ValueError: ``reach_frames`` is below 1.
    """

    why_no_masks = ''

    def __init__(
        self, sequences: BenchmarkDataset | dict[str, Any], reach_frames: int = 20, **kwargs: Any
    ) -> None:
        super().__init__(sequences, **kwargs)
        if reach_frames < 1:
            raise ValueError(f'AnnotatedFirstMasks: reach_frames is at least 1, got {reach_frames}')
        self.reach_frames = reach_frames

    def track(self, row: int) -> Track:
        return _load_first(self, row)


@lru_cache(maxsize=64)
def _load_first(source: AnnotatedFirstMasks, row: int) -> Track:
    sequence = source._dataset[int(source.rows[row])]
    labels, target = _first_object(sequence)
    mask = labels == target
    box = MaskRegion(mask).box_xyxy
    runs = grid_to_runs(grid_from_mask(mask, box))
    count = min(len(sequence), source.reach_frames + 1)
    track = Track(
        clip=sequence.name,
        path=str(sequence.clip.path),
        length=count,
        boxes_xyxy=np.repeat(box[None].astype(np.float32), count, 0),
    )
    return replace(track, mask_runs=[runs] + [np.zeros(0, np.int32)] * (count - 1))
