"""Clips that must not be learnt from: a list of the user's, or one that a benchmark publishes."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mmengine.logging import print_log

from ..benchmarks.annotations import read_lines
from ..benchmarks.sequence_lists import read_list
from ..track import Track
from .box_sources import BoxSource, ReadFrame

#: The published list that has a name: what VOT forbids to learn from of GOT-10k.
GOT10K_VOT = 'got10k_vot'


def excluded_names(exclude: str | Path | Sequence[str]) -> frozenset[str]:
    """Names of the clips to leave out.

    Args:
        exclude: :data:`GOT10K_VOT`, a text file with a name on each line (``#`` begins a comment),
            or the names.

    Raises:
        AnnotationError: The file cannot be read or holds no name.
    """
    if exclude == GOT10K_VOT:
        numbers = (number for row in read_list('got10k_vot_prohibited') for number in row)
        return frozenset(f'GOT-10k_Train_{int(number):06d}' for number in numbers)
    if isinstance(exclude, str | Path):
        return frozenset(line for line in read_lines(exclude) if not line.startswith('#'))
    return frozenset(exclude)


def is_excluded(clip: str, names: frozenset[str]) -> bool:
    """Whether a clip is named, by its whole path below the data set's folder or by the last part of
    it."""
    return clip in names or clip.rpartition('/')[2] in names


class RemainingTracks(BoxSource):
    """The tracks of another source but for those of excluded clips.

    Args:
        source: The other source.
        exclude: See :func:`excluded_names`.

    Raises:
        ValueError: No track is left.
    """

    def __init__(self, source: BoxSource, exclude: str | Path | Sequence[str]) -> None:
        names = excluded_names(exclude)
        remain = [not is_excluded(clip, names) for clip in source.clip_names()]
        self.source, self._rows = source, np.flatnonzero(remain)
        if not len(self._rows):
            raise ValueError(
                f'exclude: all {len(source)} tracks of {type(source).__name__} are of excluded '
                'clips'
            )
        left_out = len(source) - len(self._rows)
        # Nothing left out is right for a table made without these clips, and wrong where names are
        # written in another way.
        level = logging.INFO if left_out else logging.WARNING
        print_log(
            f'exclude: {left_out} of {len(source)} tracks are of the {len(names)} excluded clips',
            'current',
            level,
        )
        self.fixed, self.why_no_masks = source.fixed, source.why_no_masks
        self.sequence_quality = source.sequence_quality[self._rows]
        self.corner_share = source.corner_share[self._rows]
        self.samplable = source.samplable[self._rows]

    def __len__(self) -> int:
        return len(self._rows)

    def clip_names(self) -> list[str]:
        names = self.source.clip_names()
        return [names[row] for row in self._rows]

    def track(self, row: int) -> Track:
        return self.source.track(int(self._rows[row]))

    def boxes(
        self, track: Track, frames: Sequence[int], read: ReadFrame, rng: np.random.Generator
    ) -> np.ndarray:
        return self.source.boxes(track, frames, read, rng)
