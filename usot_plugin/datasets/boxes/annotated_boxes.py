"""Real boxes as a box source, so that the same model trains supervised, or on a mixture."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from usot_plugin.registry import DATASETS, TASK_UTILS
from usot_plugin.structures.boxes import is_valid
from usot_plugin.structures.frame_files import FrameFilesClip

from ..benchmarks.base import BenchmarkDataset
from ..benchmarks.sequence import AnnotatedSequence
from ..track import Track
from .box_sources import BoxSource, ReadFrame


def visible_runs(visible: np.ndarray, longest: int) -> tuple[np.ndarray, np.ndarray]:
    """First and last position of the unbroken run of visible frames around each frame.

    Args:
        visible: ``(T,)`` bool.
        longest: A run reaches at most this many frames to either side.

    Returns:
        Two ``(T,)`` int32 arrays, inclusive; an invisible frame is its own run.
    """
    at = np.arange(len(visible))
    starts = np.maximum.accumulate(np.where(visible, -1, at)) + 1
    ends = np.minimum.accumulate(np.where(visible, len(visible), at)[::-1])[::-1] - 1
    starts = np.maximum(starts, at - longest)
    ends = np.minimum(ends, at + longest)
    return np.where(visible, starts, at).astype(np.int32), np.where(visible, ends, at).astype(
        np.int32
    )


def labelled_rows(count: int, label_share: float, label_seed: int) -> np.ndarray:
    """Which sequences count as labelled, ascending; a smaller share is part of every larger one of
    the same seed.

    Args:
        count: Number of annotated sequences.
        label_share: Share of them in (0, 1]; at least one is taken.
        label_seed: Of the choice.

    Raises:
        ValueError: The share is outside (0, 1].
    """
    if not 0 < label_share <= 1:
        raise ValueError(
            f'label_share must be in (0, 1], got {label_share} (QuotaMixture also knows 0: no '
            'labels at all)'
        )
    order = np.random.default_rng(label_seed).permutation(count)
    return np.sort(order[: max(1, round(label_share * count))])


@TASK_UTILS.register_module()
class AnnotatedBoxes(BoxSource):
    """Annotated boxes of a benchmark's training part, read when a sequence is drawn.

    A frame's quality is 1 where the target is visible and 0 where not; its passage is the unbroken
    run of visible frames around it.

    Args:
        sequences: A benchmark data set (or its config): ``dict(type='SequenceFolderDataset',
            data_root=...)``, ``GOT10kDataset`` ...
        longest_run: A passage reaches at most this many frames to either side, as discovered ones
            do.
        label_share: Use only this share of the sequences, as if the others had no annotation.
        label_seed: Which ones; see :func:`labelled_rows`.

    Raises:
        TypeError: ``sequences`` is no benchmark data set.
        ValueError: ``label_share`` is outside (0, 1].
    """

    fixed = True
    why_no_masks = (
        "box_source='annotated' reads boxes alone: 'annotated_masks' and "
        "'annotated_first_masks' read masks"
    )

    def __init__(
        self,
        sequences: BenchmarkDataset | dict[str, Any],
        longest_run: int = 320,
        label_share: float = 1.0,
        label_seed: int = 0,
    ) -> None:
        dataset = DATASETS.build(sequences) if isinstance(sequences, dict) else sequences
        if not isinstance(dataset, BenchmarkDataset):
            raise TypeError(
                'AnnotatedBoxes: sequences must be a benchmark data set, got '
                f'{type(dataset).__name__}'
            )
        self._dataset, self.longest_run = dataset, longest_run
        self.rows = labelled_rows(len(dataset), label_share, label_seed)
        self.sequence_quality = np.ones(len(self), np.float32)
        self.corner_share = np.zeros(len(self), np.float32)
        self.samplable = np.ones(len(self), bool)

    def __len__(self) -> int:
        return len(self.rows)

    def clip_names(self) -> list[str]:
        return [self._dataset.names[row] for row in self.rows]

    def track(self, row: int) -> Track:
        return _load_track(self, row)

    def boxes(
        self, track: Track, frames: Sequence[int], read: ReadFrame, rng: np.random.Generator
    ) -> np.ndarray:
        return np.stack([track.box(index) for index in frames])


def boxes_of_folder(sequence: AnnotatedSequence) -> np.ndarray:
    """Boxes by the position of a frame in its folder, which is what training reads; nan where a
    sequence leaves frames of it out."""
    if not isinstance(sequence.clip, FrameFilesClip):
        return sequence.boxes_xyxy
    positions, count = sequence.clip.positions_in_folder()
    boxes = np.full((count, 4), np.nan)
    boxes[positions] = sequence.boxes_xyxy
    return boxes


@lru_cache(maxsize=16)
def _load_track(source: AnnotatedBoxes, row: int) -> Track:
    sequence = source._dataset[int(source.rows[row])]
    boxes = boxes_of_folder(sequence).astype(np.float32)
    visible = is_valid(boxes)
    first, last = visible_runs(visible, source.longest_run)
    return Track(
        clip=sequence.name,
        path=str(sequence.clip.path),
        length=len(boxes),
        boxes_xyxy=boxes,
        frame_quality=visible.astype(np.float32),
        centrality=np.zeros(len(boxes), np.float32),
        fragment_first=first,
        fragment_last=last,
    )
