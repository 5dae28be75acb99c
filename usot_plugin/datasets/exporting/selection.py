"""Which tracks of a pseudo-box table are exported, and which of their frames."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np

from usot_plugin.discovery.table.reading import PseudoBoxRow, PseudoBoxTable

from ...structures import PseudoTrack
from ...structures.boxes import is_valid
from ...structures.clip import Clip, ClipError, FolderClip, open_clip
from ..boxes.box_sources import clip_path

#: Choices of frames: every box of a track, or only those that discovery saw and did not fill in.
FRAME_CHOICES = ('all', 'picked')

#: Decimals of exported coordinates in pixels.
DECIMALS = 4


@dataclass(frozen=True)
class ExportTrack:
    """One object of a clip, or one window of it.

    Attributes:
        number: Among the exported tracks of its clip, from 0.
        frames: ``(N,)`` frame indices of the clip that are exported, ascending.
        boxes_xyxy: ``(N, 4)`` float64, pixels of the full frame.
        columns: The whole track.
    """

    number: int
    frames: np.ndarray
    boxes_xyxy: np.ndarray
    columns: PseudoTrack

    @property
    def at(self) -> np.ndarray:
        """Places ``(N,)`` of the exported frames in the columns."""
        return self.frames - self.columns.first_frame


@dataclass(frozen=True)
class ExportClip:
    """A clip with at least one exported track.

    Attributes:
        name: Name below the videos root.
        path: File or folder of its frames.
        size_wh: Frame size in pixels.
        fps: Frames per second; 0 where unknown.
        frame_count: Number of frames.
        tracks: Its tracks.
    """

    name: str
    path: str
    size_wh: tuple[int, int]
    fps: float
    frame_count: int
    tracks: tuple[ExportTrack, ...]

    def open(self) -> Clip:
        """Its frames.

        Raises:
            ClipError: They cannot be read, or are fewer than its boxes.
        """
        opened = open_clip(self.path)
        last = max(int(track.frames[-1]) for track in self.tracks)
        if last >= opened.frame_count:
            raise ClipError(
                self.path,
                f'has {opened.frame_count} frames, but its boxes reach frame {last}: another '
                'version?',
            )
        return opened

    def image_names(self) -> list[str]:
        """Path of each frame's image below the videos root.

        The frames of a video file are named as ``tools/build_crop_store.py --frames`` writes them.

        Raises:
            ClipError: A folder of frames cannot be read.
        """
        if not Path(self.path).is_dir():
            return [f'{self.name}/{index:06d}.jpg' for index in range(self.frame_count)]
        opened = self.open()
        assert isinstance(opened, FolderClip)
        inside = (
            f'{self.name}/{opened.path.name}'
            if opened.path.name != Path(self.name).name
            else self.name
        )
        return [f'{inside}/{file.name}' for file in opened.files]


@contextlib.contextmanager
def complete_folders(folders: Sequence[Path]) -> Iterator[None]:
    """Make folders; those that were made are removed again when the block does not end well."""
    made: list[Path] = []
    try:
        for folder in folders:
            folder.mkdir(parents=True)
            made.append(folder)
        yield
    except BaseException:
        for folder in made:
            shutil.rmtree(folder, ignore_errors=True)
        raise


def select_clips(
    table: PseudoBoxTable,
    min_quality: float | None = None,
    frames: str = 'all',
    multi_object: bool = False,
    video_root: str | Path | None = None,
) -> Iterator[ExportClip]:
    """The clips of a table with the tracks that are wanted.

    Args:
        table: The table.
        min_quality: Only tracks whose ``Q_v - corner_share / 3`` is at least this; by default those
            that the table calls samplable.
        frames: One of :data:`FRAME_CHOICES`.
        multi_object: All objects of a clip; otherwise the best one, in all its windows.
        video_root: Where the clips are now; by default where they were at discovery.

    Raises:
        ValueError: No such choice of frames.
    """
    if frames not in FRAME_CHOICES:
        raise ValueError(f'frames is one of {FRAME_CHOICES}, got {frames!r}')
    kept = table.kept()
    if min_quality is None:
        wanted = kept.samplable()
    else:
        wanted = kept.where(
            kept.column('sequence_quality') - kept.column('corner_share') / 3
            >= np.float32(min_quality)
        )
    for name, rows in groupby(wanted, key=lambda row: row.clip):
        group = list(rows)
        tracks: list[ExportTrack] = []
        for row in group:
            track = _track(row, len(tracks), frames)
            # Rows are sorted by object: the first that is good enough counts as the best.
            same_object = not tracks or track.columns.object_id == tracks[0].columns.object_id
            if len(track.frames) and (multi_object or same_object):
                tracks.append(track)
        if tracks:
            first = group[0]
            path = first.path if video_root is None else clip_path(video_root, name)
            yield ExportClip(
                name, path, (first.width, first.height), first.fps, first.frame_count, tuple(tracks)
            )


def _track(row: PseudoBoxRow, number: int, frames: str) -> ExportTrack:
    columns = row.track
    assert columns is not None  # kept rows have one
    usable = is_valid(columns.boxes_xyxy)
    at = np.flatnonzero(usable & columns.picked if frames == 'picked' else usable)
    return ExportTrack(
        number, at + columns.first_frame, columns.boxes_xyxy[at].astype(np.float64), columns
    )
