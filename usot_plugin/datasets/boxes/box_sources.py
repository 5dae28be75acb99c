"""Where the boxes of training groups come from.

A box source is a registered strategy (``TASK_UTILS``): it lists tracks and gives the boxes of the
frames that a frame sampler chose. Sources that look at the picture (entropy, saliency, ...)
subclass :class:`ClipBoxes` and implement :meth:`ClipBoxes.find_box`.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from usot_plugin.discovery.table.reading import PseudoBoxRow, PseudoBoxTable, read_table
from usot_plugin.registry import TASK_UTILS

from ..frames.video_sources import FRAME_FOLDER, find_clips, find_images
from ..track import Track

#: Gives frame ``index`` of the clip, ``(H, W, 3)`` uint8 BGR.
ReadFrame = Callable[[int], np.ndarray]


def clip_path(video_root: str | Path, name: str) -> str:
    """Where the clip of a table lies below another root; its frames may have a folder of their own
    (OTB, LaSOT)."""
    path = Path(video_root) / name
    return str(path / FRAME_FOLDER if (path / FRAME_FOLDER).is_dir() else path)


class BoxSource(ABC):
    """Tracks, and the boxes of chosen frames.

    Picklable; what it holds must not multiply with loader processes.

    Attributes:
        fixed: Boxes are known before a frame is read, so that crops around them can be stored.
        sequence_quality: ``(N,)`` quality of each track.
        corner_share: ``(N,)`` how much each track sits at the border.
        samplable: ``(N,)`` bool, good enough to be drawn.
        why_no_masks: Why no frame of any track has a mask; empty where one may have.
    """

    fixed: bool
    why_no_masks: str = ''
    sequence_quality: np.ndarray
    corner_share: np.ndarray
    samplable: np.ndarray

    @abstractmethod
    def __len__(self) -> int:
        """Number of tracks."""

    @abstractmethod
    def track(self, row: int) -> Track:
        """Track ``row``."""

    def clip_names(self) -> list[str]:
        """Name of the clip of each track; sources that know them without reading the tracks say so
        faster."""
        return [self.track(row).clip for row in range(len(self))]

    @abstractmethod
    def boxes(
        self, track: Track, frames: Sequence[int], read: ReadFrame, rng: np.random.Generator
    ) -> np.ndarray:
        """Boxes ``(N, 4)`` float64 of frames of the clip, in pixels of the full frame; the first
        frame is the template's."""


def track_of_row(row: PseudoBoxRow, path: str | None = None) -> Track:
    """A kept row of a pseudo-box table as training sees it.

    Args:
        row: Row with a trajectory.
        path: Where the clip is now; by default where it was at discovery.
    """
    found = row.track
    assert found is not None  # kept rows have one
    return Track(
        clip=row.clip,
        path=row.path if path is None else path,
        object_id=found.object_id,
        first_frame=found.first_frame,
        length=len(found),
        boxes_xyxy=found.boxes_xyxy,
        frame_quality=found.frame_quality,
        centrality=found.centrality,
        fragment_first=found.fragment_first,
        fragment_last=found.fragment_last,
        sequence_quality=found.sequence_quality,
        fingerprint=row.fingerprint,
        mask_runs=found.mask_runs,
    )


@TASK_UTILS.register_module()
class DiscoveredBoxes(BoxSource):
    """Pseudo boxes of moving objects, from a pseudo-box table.

    Args:
        table: Folder of parts or ``.parquet`` file.
        video_root: Where the clips are; by default where they were at discovery.

    Raises:
        ValueError: No trajectory of the table was kept.

    Reference:
        USOT Sec. 3.1.
    """

    fixed = True

    def __init__(self, table: str | Path, video_root: str | Path | None = None) -> None:
        self.video_root = video_root
        self._table: PseudoBoxTable = read_table(table).kept()
        if not len(self._table):
            raise ValueError(f'{table}: no trajectory was kept, so there is nothing to train on')
        self.sequence_quality = self._table.column('sequence_quality').astype(np.float32)
        self.corner_share = self._table.column('corner_share').astype(np.float32)
        self.samplable = self._table.column('samplable').astype(bool)
        info = self._table.info
        if not info.config.get('store_masks') or info.rounds:
            self.why_no_masks = (
                f'{table}: the table holds no masks: discover it with '
                'configs/discovery/masks.py; re-labelled tables have none'
            )

    def __len__(self) -> int:
        return len(self._table)

    def clip_names(self) -> list[str]:
        return self._table.column('clip').tolist()

    def track(self, row: int) -> Track:
        entry = self._table[row]
        return track_of_row(
            entry, None if self.video_root is None else clip_path(self.video_root, entry.clip)
        )

    def boxes(
        self, track: Track, frames: Sequence[int], read: ReadFrame, rng: np.random.Generator
    ) -> np.ndarray:
        return np.stack([track.box(index) for index in frames])


class ClipBoxes(BoxSource):
    """Base of the sources that need no table: one track per clip, one box for all frames of a
    group, found in the template's frame.

    Args:
        clips: Video files, folders of frames, or folders of those: one path or a list; see
            :func:`find_clips`.
        images: Instead of ``clips``: image files, or folders of them at any depth, each a clip of
            one frame; see :func:`find_images`.
        table: Instead of ``clips``: all clips of this pseudo-box table, whatever discovery said of
            them.
        video_root: Where the clips of the table are; by default where they were at discovery.
        kept_only: Of a table only the clips that :class:`DiscoveredBoxes` draws from, those with a
            kept and samplable track: what is left between the two sources is the boxes. It says
            nothing of ``clips`` and ``images``.

    Raises:
        ValueError: Not exactly one of ``clips``, ``images`` and ``table`` is given, or no clip is
            there.
    """

    fixed = False
    why_no_masks = 'boxes that are found in the picture come without masks'

    def __init__(
        self,
        clips: str | Path | Sequence[str] | None = None,
        table: str | Path | None = None,
        video_root: str | Path | None = None,
        images: str | Path | Sequence[str] | None = None,
        kept_only: bool = False,
    ) -> None:
        given = clips if clips is not None else images
        if (clips is not None) + (images is not None) + (table is not None) != 1:
            raise ValueError(f'{type(self).__name__}: give clips or table or images (one of them)')
        if given is not None:
            find = find_clips if clips is not None else find_images
            found = find([given] if isinstance(given, str | Path) else given)
            listed = [(name, str(path)) for name, path in found.items()]
        else:
            assert table is not None
            rows = read_table(table)
            if kept_only:
                rows = rows.kept().samplable()
            pairs = dict(
                zip(rows.column('clip').tolist(), rows.column('path').tolist(), strict=True)
            )
            listed = [
                (name, path if video_root is None else clip_path(video_root, name))
                for name, path in pairs.items()
            ]
            if not listed:
                raise ValueError(
                    f'{table}: no clip '
                    f'{"with a kept and samplable track " if kept_only else ""}is in this table'
                )
        # Fixed-width arrays: a list of strings would be copied into every loader process as its
        # reference counts change. Bytes, because a million images would take gigabytes as NumPy's
        # strings.
        self._names, self._paths = (
            np.array([os.fsencode(pair[i]) for pair in listed], dtype=np.bytes_) for i in (0, 1)
        )
        self.sequence_quality = np.ones(len(listed), np.float32)
        self.corner_share = np.zeros(len(listed), np.float32)
        self.samplable = np.ones(len(listed), bool)

    def __len__(self) -> int:
        return len(self._names)

    def clip_names(self) -> list[str]:
        return [os.fsdecode(name) for name in self._names]

    def track(self, row: int) -> Track:
        return Track(clip=os.fsdecode(self._names[row]), path=os.fsdecode(self._paths[row]))

    def boxes(
        self, track: Track, frames: Sequence[int], read: ReadFrame, rng: np.random.Generator
    ) -> np.ndarray:
        return np.repeat(self.find_box(read(frames[0]), rng)[None], len(frames), axis=0)

    @abstractmethod
    def find_box(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """A box ``(4,)`` float64 in a frame ``(H, W, 3)`` uint8."""


@TASK_UTILS.register_module()
class RandomBoxes(ClipBoxes):
    """Random regions of random frames: the control that shows what discovery is worth.

    Args:
        clips, table, video_root, images, kept_only: As :class:`ClipBoxes`.
        share: Width and height are drawn uniformly between these shares of the frame's.

    Reference:
        "Random boxes" of USOT, Table 4; S2SiamFC draws W/8..W/4 by H/8..H/4.
    """

    def __init__(self, *args, share: Sequence[float] = (0.1, 0.4), **kwargs) -> None:
        super().__init__(*args, **kwargs)
        if not 0 < share[0] <= share[1] <= 1:
            raise ValueError(
                f'RandomBoxes: share must be two ascending numbers in (0, 1], got {tuple(share)}'
            )
        self.share = (float(share[0]), float(share[1]))

    def find_box(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        frame = np.array([image.shape[1], image.shape[0]], float)
        size = rng.uniform(*self.share, 2) * frame
        corner = rng.uniform(0, 1, 2) * (frame - size)
        return np.concatenate([corner, corner + size])


@TASK_UTILS.register_module()
class CentreBoxes(ClipBoxes):
    """The middle of the frame, always.

    Args:
        clips, table, video_root, images, kept_only: As :class:`ClipBoxes`.
        share: Share of the frame's width and height. UDT crops the centre half and lets a third of
            it count as the target: 1/6 with ``SiameseCrop(window='scaled', scaled=3)``.

    Reference:
        UDT (arXiv:1904.01828), Sec. 3.3.
    """

    def __init__(self, *args, share: float = 1 / 6, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        if not 0 < share <= 1:
            raise ValueError(f'CentreBoxes: share must be in (0, 1], got {share}')
        self.share = float(share)

    def find_box(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        frame = np.array([image.shape[1], image.shape[0]], float)
        half = frame * self.share / 2
        return np.concatenate([frame / 2 - half, frame / 2 + half])
