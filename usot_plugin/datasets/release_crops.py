"""Training data as the USOT release preprocesses it: a ``train.json`` of pseudo boxes and a folder
``crop511`` of crops around them.

``train.json`` is ``{video: {track: {frame: [...], 'meta': {...}}}}``. A frame is named by the stem
of its image; its nine numbers are ``x1, y1, x2, y2``, the share of picked frames nearby (short and
long range), ``T_l`` and ``T_u`` as positions in the track's list of frames, and centrality. Its
crop is ``crop511/<video>/<frame, six digits>.<track, two digits>.x.jpg``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ..registry import DATASETS, TASK_UTILS
from ..structures.boxes import xyxy_to_cxcywh
from ..structures.clip import ClipError, read_image
from ..structures.crops import context_side, mean_color
from .benchmarks.annotations import AnnotationError, read_json
from .boxes.box_sources import BoxSource, ReadFrame
from .frames.crop_store import CropStoreError
from .frames.frame_readers import FrameReader
from .pseudo_box_dataset import PseudoBoxDataset, without_source_keys
from .track import Track
from .transforms.view import View

#: Side of the release's crops, and of the box with its context in them.
CROP_PX, EXEMPLAR_PX = 511, 127

#: Numbers of a frame; a track that failed the release's quality rules has only the first six.
FRAME_NUMBERS, UNFINISHED_NUMBERS = 9, 6


def crop_geometry(box_xyxy: np.ndarray, crop_px: int = CROP_PX) -> tuple[float, np.ndarray]:
    """Scale and corner of the release's crop around a box.

    Args:
        box_xyxy: ``(4,)`` in pixels of the frame.
        crop_px: Side of the crop.

    Returns:
        Factor from frame to crop, and the place ``(2,)`` in the frame that becomes the middle of
        the crop's first pixel. Both are in the pixel-centre coordinates of ``cv2.warpAffine``,
        which the release gives corner coordinates to.
    """
    cx, cy, w, h = xyxy_to_cxcywh(np.asarray(box_xyxy, np.float64))
    side = context_side(w, h) * crop_px / EXEMPLAR_PX
    return (crop_px - 1) / side, np.array([cx, cy]) - side / 2


def box_in_crop(box_xyxy: np.ndarray, crop_px: int = CROP_PX) -> np.ndarray:
    """Where a box ``(4,)`` of the frame lies in the crop that the release cuts around it, ``(4,)``
    continuous pixels.

    The release puts it in the middle pixel, ``127 / context_side`` times as large; this is the same
    within a pixel, and exact.
    """
    factor, corner = crop_geometry(box_xyxy, crop_px)
    return (np.asarray(box_xyxy, np.float64) - np.tile(corner, 2) - 0.5) * factor + 0.5


def cut_crop(image: np.ndarray, box_xyxy: np.ndarray, crop_px: int = CROP_PX) -> np.ndarray:
    """The crop ``(crop_px, crop_px, 3)`` that the release stores for a box ``(4,)`` of a frame
    ``(H, W, 3)`` uint8."""
    factor, (left, top) = crop_geometry(box_xyxy, crop_px)
    matrix = np.array([[factor, 0, -factor * left], [0, factor, -factor * top]])
    fill = mean_color(image).tolist()
    return cv2.warpAffine(
        image, matrix, (crop_px, crop_px), borderMode=cv2.BORDER_CONSTANT, borderValue=fill
    )


def crop_name(file_number: int, track_number: int) -> str:
    """File name of a crop in its video's folder."""
    return f'{file_number:06d}.{track_number:02d}.x.jpg'


@dataclass(frozen=True)
class ReleaseTrack(Track):
    """A track whose frames are counted by their place in ``train.json``.

    Attributes:
        file_numbers: ``(L,)`` number in the file name of each frame, which may have gaps
            (YouTube-VOS) and need not begin at 0.
    """

    file_numbers: np.ndarray | None = None


@TASK_UTILS.register_module()
class ReleaseBoxes(BoxSource):
    """Pseudo boxes of the release's ``train.json``.

    Args:
        annotation: The file.
        min_quality: A track is good enough to be drawn if its share of picked frames less a third
            of its corner share is at least this ...
        max_corner_share: ... and its corner share is below this.

    Raises:
        AnnotationError: The file is missing, not of this form, or has no track with all its
            numbers.
    """

    fixed = True

    def __init__(
        self, annotation: str | Path, min_quality: float = 0.40, max_corner_share: float = 0.25
    ) -> None:
        self.annotation = Path(annotation)
        clips: list[str] = []
        rows: list[tuple[int, float, float]] = []
        parts: list[np.ndarray] = []
        for clip, number, frames in _tracks(self.annotation):
            meta = _meta(frames, self.annotation, f'{clip}, track {number}')
            values = _frame_values(frames, self.annotation, f'{clip}, track {number}')
            if values is not None:
                clips.append(clip)
                rows.append((number, *meta))
                parts.append(values)
        if not parts:
            raise AnnotationError(
                self.annotation, f'no track in it has all {FRAME_NUMBERS} numbers of a frame'
            )
        # Few large arrays instead of many objects: loader processes share them.
        self._clips = np.array(clips, dtype=np.str_)
        self._numbers = np.array([row[0] for row in rows], np.int32)
        self._ends = np.cumsum([len(part) for part in parts])
        self._values = np.concatenate(parts)
        self.sequence_quality = np.array([row[1] for row in rows], np.float32)
        self.corner_share = np.array([row[2] for row in rows], np.float32)
        margin = self.sequence_quality - self.corner_share / 3
        self.samplable = (margin >= np.float32(min_quality)) & (
            self.corner_share < max_corner_share
        )

    def __len__(self) -> int:
        return len(self._ends)

    def clip_names(self) -> list[str]:
        return self._clips.tolist()

    def track(self, row: int) -> ReleaseTrack:
        values = self._values[self._ends[row - 1] if row else 0 : self._ends[row]]
        return ReleaseTrack(
            clip=str(self._clips[row]),
            path=str(self.annotation),
            object_id=int(self._numbers[row]),
            length=len(values),
            boxes_xyxy=values[:, 1:5],
            frame_quality=values[:, 5],
            centrality=values[:, 9],
            fragment_first=values[:, 7].astype(np.int32),
            fragment_last=values[:, 8].astype(np.int32),
            sequence_quality=float(self.sequence_quality[row]),
            file_numbers=values[:, 0].astype(np.int64),
        )

    def boxes(
        self, track: Track, frames: Sequence[int], read: ReadFrame, rng: np.random.Generator
    ) -> np.ndarray:
        return np.stack([track.box(index) for index in frames])


class ReleaseCrops(FrameReader):
    """The crops of the release in place of decoded frames.

    Args:
        root: Folder ``crop511``; crops of another side are read, too.

    Raises:
        CropStoreError: There is no such folder.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)
        if not self.root.is_dir():
            raise CropStoreError(f'{root}: no such folder of crops')

    def complete(self, track: Track) -> Track:
        return track

    def frame(self, track: Track, index: int) -> np.ndarray:
        raise ClipError(self.root / track.clip, 'crops are no full frames', index)

    def view(self, track: Track, index: int, box_xyxy: np.ndarray) -> View:
        assert isinstance(track, ReleaseTrack) and track.file_numbers is not None
        file = self.root / track.clip / crop_name(int(track.file_numbers[index]), track.object_id)
        image = read_image(file, index)
        height, width = image.shape[:2]
        if height != width or height <= EXEMPLAR_PX:
            raise ClipError(
                file,
                f'a crop is a square of more than {EXEMPLAR_PX} px, this is {width}x{height}',
                index,
            )
        return View(image, box_in_crop(box_xyxy, width), index, mean_color(image))


@DATASETS.register_module()
class USOTCropDataset(PseudoBoxDataset):
    """Training groups from what the USOT release has preprocessed, without discovering anything
    again.

    Args:
        annotation: ``train.json``.
        crops: Folder ``crop511``.
        kwargs: ``frame_sampler``, ``pipeline``, ``samples_per_epoch`` ... of
            :class:`PseudoBoxDataset`, but for those that say where boxes and images come from.

    Raises:
        ValueError: A key says otherwise where boxes or images come from.
    """

    def __init__(self, annotation: str | Path, crops: str | Path, **kwargs: Any) -> None:
        super().__init__(
            box_source=dict(type='ReleaseBoxes', annotation=str(annotation)),
            **without_source_keys(type(self), kwargs),
        )
        self._reader = ReleaseCrops(crops)


#: Digits of the number of a track.
MOST_DIGITS = 9


def _tracks(file: Path):
    """Video, track number and frames of each track of a ``train.json``."""
    videos = read_json(file)
    if not isinstance(videos, dict):
        raise AnnotationError(
            file, f'expected {{video: {{track: {{frame: [...]}}}}}}, got a {type(videos).__name__}'
        )
    # a file of some hundred MB becomes gigabytes of numbers: let go of each video when it is read
    while videos:
        clip = next(iter(videos))
        tracks = videos.pop(clip)
        for name, frames in tracks.items() if isinstance(tracks, dict) else [('', None)]:
            if not isinstance(frames, dict) or not name.isdecimal():
                raise AnnotationError(file, f'{clip}: expected {{track number: {{frame: [...]}}}}')
            if len(name) > MOST_DIGITS:
                raise AnnotationError(file, f'{clip}: {name[:20]}... is no number of a track')
            yield clip, int(name), frames


def _meta(frames: dict[str, Any], file: Path, where: str) -> tuple[float, float]:
    """Share of picked frames and corner share; the entry is taken out of ``frames``."""
    meta = frames.pop('meta', None)
    try:
        return float(meta['bbox_picked_freq']), float(meta['corner_bbox_freq'])
    except (TypeError, KeyError, ValueError, OverflowError) as error:
        raise AnnotationError(
            file, f"{where}: 'meta' needs the numbers bbox_picked_freq and corner_bbox_freq"
        ) from error


def _frame_values(frames: dict[str, Any], file: Path, where: str) -> np.ndarray | None:
    """File number and the nine numbers of each frame, ``(L, 10)`` float32; None for a track that
    was not finished."""
    lengths = {len(values) if isinstance(values, list) else 0 for values in frames.values()}
    if lengths <= {UNFINISHED_NUMBERS}:
        return None
    if lengths != {FRAME_NUMBERS}:
        raise AnnotationError(
            file, f'{where}: every frame needs {FRAME_NUMBERS} numbers, got {sorted(lengths)}'
        )
    try:
        values = np.array([[int(name), *numbers] for name, numbers in frames.items()], np.float32)
    except (TypeError, ValueError, OverflowError) as error:
        raise AnnotationError(
            file, f'{where}: a frame is named by a number and holds numbers ({error})'
        ) from error
    if values[:, 0].max() > 999_999:
        raise AnnotationError(
            file,
            f'{where}: crops are named by six digits, so frame {values[:, 0].max():.0f} cannot '
            'have one',
        )
    at, first, last = np.arange(len(values)), values[:, 7], values[:, 8]
    if not ((first >= 0) & (first <= at) & (at <= last) & (last < len(values))).all():
        raise AnnotationError(
            file,
            f'{where}: T_l and T_u must be positions around their frame among the {len(values)} '
            'of the track',
        )
    return values
