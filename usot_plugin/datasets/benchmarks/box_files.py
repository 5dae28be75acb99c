"""What benchmarks with a folder of numbered frames and a box file for each sequence have in
common."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from usot_plugin.structures.boxes import is_valid
from usot_plugin.structures.clip import IMAGE_SUFFIXES, ClipError
from usot_plugin.structures.frame_files import FrameFilesClip
from usot_plugin.utils.config import nearest

from .annotations import AnnotationError, parse_boxes_xywh, parse_labels
from .base import BenchmarkDataset
from .sequence import AnnotatedSequence

#: So many names are written out in a message.
SHOWN = 8


@dataclass(frozen=True)
class SequenceFiles:
    """Where one sequence lies, and what the benchmark's list says of it.

    Attributes:
        frames: Folder of the images, whose names are frame numbers.
        annotation: The box file.
        first: Number of the first frame that is annotated; None takes all images of the folder.
        last: Number of the last one.
        skip: Annotated frames at the start that are not evaluated.
        absence: Label files: 1 where the target is absent.
        attributes: File of the sequence's attributes; a sequence can be read without.
        fps: Frames per second, 0 where unknown.
    """

    frames: Path
    annotation: Path
    first: int | None = None
    last: int | None = None
    skip: int = 0
    absence: tuple[Path, ...] = ()
    attributes: Path | None = None
    fps: float = 0.0


def shown(names: Sequence[str]) -> str:
    """The first few names of a list, and how many more there are."""
    more = f' and {len(names) - SHOWN} more' if len(names) > SHOWN else ''
    return ', '.join(names[:SHOWN]) + more


class BoxFileBenchmark(BenchmarkDataset):
    """Sequences of numbered frames with a box file each.

    A folder of frames is listed once and nothing is decoded before a frame is asked for.

    Args:
        data_root: Folder of the benchmark, as its owners publish it.
        subset: Key of ``SUBSETS``; the first by default.
        sequences: Names to keep, in this order; all by default.
        metainfo: Entries that replace those of ``METAINFO``.

    Raises:
        ValueError: ``data_root`` is no folder, or a subset or a wanted sequence is not known.
    """

    #: Name of each subset, for reports.
    SUBSETS: dict[str, str]
    #: Number of sequences of each subset as published, where no list of this package has their
    #: names.
    COUNTS: dict[str, int] = {}
    #: Subsets of which only the first frame's box is published; the others are at the benchmark's
    #: server.
    FIRST_BOX_ONLY: frozenset[str] = frozenset()
    #: What the annotation calls the first pixel: 0 or 1.
    origin: int = 0
    #: Number in the name of a sequence's first frame.
    first_number: int = 1
    #: A negative size in the box file says that the target is absent.
    negative_is_absent: bool = False

    def __init__(
        self,
        data_root: str | Path,
        subset: str | None = None,
        sequences: Sequence[str] | None = None,
        metainfo: dict[str, Any] | None = None,
    ) -> None:
        self.subset = next(iter(self.SUBSETS)) if subset is None else subset
        if self.subset not in self.SUBSETS:
            known = nearest(self.subset, self.SUBSETS) or f'; known are {", ".join(self.SUBSETS)}'
            raise ValueError(f'{type(self).__name__}: unknown subset {subset!r}{known}')
        if not Path(data_root).is_dir():
            raise ValueError(f'{data_root}: no such folder')
        self.first_box_only = self.subset in self.FIRST_BOX_ONLY
        self._listings: dict[Path, dict[int, str]] = {}
        about = {
            'dataset_name': self.SUBSETS[self.subset],
            'origin': self.origin,
            'first_box_only': self.first_box_only,
        }
        super().__init__(data_root, sequences, {**about, **(metainfo or {})})

    @abstractmethod
    def files_of(self, name: str) -> SequenceFiles:
        """Where a sequence lies."""

    def load(self, name: str) -> AnnotatedSequence:
        files = self.files_of(name)
        frames = self.frame_names(files)
        annotation = self.read_annotation(name, files, len(frames))
        count = len(annotation['boxes_xyxy'])
        if count != len(frames):
            raise AnnotationError(
                files.annotation, f'{count} boxes for {len(frames)} frames in {files.frames}'
            )
        return AnnotatedSequence(
            name, FrameFilesClip(files.frames, frames, name, files.fps), **annotation
        )

    def full_init(self) -> None:
        """Read every annotation once, so that a broken one is reported before any tracking
        starts."""
        self.refuse_missing()
        super().full_init()

    def refuse_missing(self) -> None:
        """Raises :class:`AnnotationError` with the number of sequences that have no folder of
        frames."""
        missing = [name for name in self.names if not self.files_of(name).frames.is_dir()]
        if missing:
            raise AnnotationError(
                self.data_root,
                f'{len(missing)} of {len(self)} sequences are missing: {shown(missing)}',
            )

    @staticmethod
    def missing_reason(files: SequenceFiles) -> str | None:
        """Why a sequence cannot be looked at any further."""
        return (
            None
            if files.frames.is_dir() or files.annotation.exists()
            else 'the sequence is missing'
        )

    def checks(self, name: str) -> list[Callable[[], object]]:
        files = self.files_of(name)
        reason = self.missing_reason(files)
        if reason:
            return [partial(_refuse, files.frames, reason)]
        labels = [partial(parse_labels, path) for path in files.absence]
        parts: list[Callable[[], object]] = [
            lambda: self.frame_names(files),
            lambda: self.read_boxes(files),
            lambda: self.read_attributes(name, files),
            lambda: self.read_frame_attributes(files),
        ]
        return [*parts, *labels, lambda: self.load(name)]

    def frame_names(self, files: SequenceFiles) -> list[str]:
        """Names of the frames that are evaluated, in order.

        Raises:
            ClipError: The folder cannot be listed, or frames are missing; the message has their
                numbers.
        """
        numbered = self._numbered(files.frames)
        first = self.first_number if files.first is None else files.first
        last = max(numbered) if files.last is None else files.last
        missing = [str(number) for number in range(first, last + 1) if number not in numbered]
        if missing:
            raise ClipError(
                files.frames,
                f'{len(missing)} of the frames {first} to {last} are missing: {shown(missing)}',
            )
        return [numbered[number] for number in range(first + files.skip, last + 1)]

    def _numbered(self, folder: Path) -> dict[int, str]:
        """Names of a folder's images by frame number; listed once."""
        if folder not in self._listings:
            try:
                names = [
                    name
                    for name in os.listdir(folder)
                    if os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES
                ]
            except OSError as error:
                raise ClipError(folder, f'cannot list the folder ({error.strerror})') from error
            names = [name for name in names if not name.startswith('.')]
            if not names:
                raise ClipError(folder, 'no image in this folder')
            odd = sorted(name for name in names if not name.split('.')[0].isdecimal())
            if odd:
                raise ClipError(
                    folder, f'{len(odd)} images are not named by a frame number: {shown(odd)}'
                )
            numbered = {int(name.split('.')[0]): name for name in names}
            if len(numbered) < len(names):
                raise ClipError(folder, f'{len(names)} images for {len(numbered)} frame numbers')
            self._listings[folder] = numbered
        return self._listings[folder]

    def read_annotation(self, name: str, files: SequenceFiles, frame_count: int) -> dict[str, Any]:
        """Fields of :class:`AnnotatedSequence` besides name and clip.

        Raises:
            AnnotationError: A file is missing, malformed or does not fit the others.
        """
        boxes = self.read_boxes(files)
        if self.first_box_only and len(boxes) == 1:
            boxes = np.concatenate([boxes, np.full((frame_count - 1, 4), np.nan)])
        for path in files.absence:
            absent = parse_labels(path)
            self._same_length(path, len(absent), files, len(boxes))
            boxes[absent] = np.nan
        if not is_valid(boxes[0]):
            raise AnnotationError(
                files.annotation, 'the first frame has no box to start from', 1 + files.skip
            )
        frame_attributes = self.read_frame_attributes(files)
        for attribute, values in frame_attributes.items():
            self._same_length(attribute, len(values), files, len(boxes))
        readable = files.attributes is None or files.attributes.exists()
        attributes = self.read_attributes(name, files) if readable else ()
        return {'boxes_xyxy': boxes, 'attributes': attributes, 'frame_attributes': frame_attributes}

    def _same_length(self, what: str | Path, count: int, files: SequenceFiles, boxes: int) -> None:
        if count != boxes:
            raise AnnotationError(
                files.annotation.parent if isinstance(what, str) else what,
                f'{count} labels for {boxes} boxes ({what})',
            )

    def read_boxes(self, files: SequenceFiles) -> np.ndarray:
        """Boxes of the evaluated frames as the box file has them, ``(T, 4)`` xyxy, 0-based.

        Raises:
            AnnotationError: The file is wrong, or has another number of lines than the benchmark's
                list says.
        """
        boxes = parse_boxes_xywh(files.annotation, self.origin, self.negative_is_absent)
        if files.first is not None and files.last is not None:
            listed = files.last - files.first + 1
            if len(boxes) != listed:
                raise AnnotationError(
                    files.annotation,
                    f'{len(boxes)} boxes for {listed} listed frames ({files.first} to '
                    f'{files.last})',
                )
        return boxes[files.skip :]

    def read_attributes(self, name: str, files: SequenceFiles) -> tuple[str, ...]:
        """Attributes of the sequence, in the benchmark's spelling."""
        return ()

    def read_frame_attributes(self, files: SequenceFiles) -> Mapping[str, np.ndarray]:
        """``(T,)`` bool for each attribute that is labelled frame by frame."""
        return {}


def _refuse(path: Path, cause: str) -> None:
    raise AnnotationError(path, cause)
