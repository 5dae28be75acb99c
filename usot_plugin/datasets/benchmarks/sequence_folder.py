"""A folder with one sub-folder a sequence: the layout of OTB, of VOT-like exports, and the easy one
for own data."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from usot_plugin.registry import DATASETS
from usot_plugin.structures.boxes import is_valid
from usot_plugin.structures.clip import Clip, FolderClip, natural_key

from .annotations import AnnotationError, parse_boxes_xywh, parse_labels
from .base import BenchmarkDataset
from .sequence import AnnotatedSequence


@DATASETS.register_module()
class SequenceFolderDataset(BenchmarkDataset):
    """``ROOT/<sequence>/{img/*.jpg, groundtruth.txt[, absence.label]}``.

    A line of ``groundtruth.txt`` is ``x, y, w, h`` of one frame (commas, blanks or tabs). The
    target is absent where the line is ``nan``, the size is 0, or ``absence.label`` says 1.

    Args:
        data_root: Folder of the sequence folders.
        sequences: Names to keep; all by default.
        origin: Coordinate of the first pixel's corner in the annotation, 0 or 1.
        frames: Sub-folder of the images; ``'.'`` for the sequence folder itself.
        annotation: Name of the box file.
        absence: Name of the absence file; it need not exist.
        metainfo: Replaces entries of ``METAINFO``; ``dataset_name`` is the folder's name by
            default.
    """

    METAINFO = {'convention': 'got10k'}

    def __init__(
        self,
        data_root: str | Path,
        sequences: Sequence[str] | None = None,
        origin: int = 0,
        frames: str = 'img',
        annotation: str = 'groundtruth.txt',
        absence: str = 'absence.label',
        metainfo: dict[str, Any] | None = None,
    ) -> None:
        self.origin = origin
        self.frames = frames
        self.annotation = annotation
        self.absence = absence
        super().__init__(
            data_root,
            sequences,
            {'dataset_name': Path(data_root).resolve().name, **(metainfo or {})},
        )

    def find_names(self) -> list[str]:
        try:
            folders = [
                path
                for path in self.data_root.iterdir()
                if path.is_dir() and not path.name.startswith('.')
            ]
        except OSError as error:
            raise ValueError(
                f'{self.data_root}: cannot list the sequences ({error.strerror})'
            ) from error
        names = [
            path.name
            for path in folders
            if (path / self.annotation).exists() or (path / self.frames).is_dir()
        ]
        if not names:
            raise ValueError(
                f'{self.data_root}: no sequence here, expected <sequence>/{self.frames}/*.jpg '
                f'and <sequence>/{self.annotation}'
            )
        return sorted(names, key=natural_key)

    def load(self, name: str) -> AnnotatedSequence:
        folder = self.data_root / name
        boxes = self.read_boxes(folder)
        clip = FolderClip(folder / self.frames)
        clip.name = name
        if len(boxes) != clip.frame_count:
            raise AnnotationError(
                folder / self.annotation,
                f'{len(boxes)} boxes for {clip.frame_count} frames in '
                f'{clip.path}{_first_hole(clip)}',
            )
        return AnnotatedSequence(name, clip, boxes)

    def read_boxes(self, folder: Path) -> np.ndarray:
        """Boxes of one sequence folder, ``(T, 4)`` xyxy, nan = absent."""
        file = folder / self.annotation
        boxes = parse_boxes_xywh(file, self.origin)
        if (folder / self.absence).exists():
            absent = parse_labels(folder / self.absence)
            if len(absent) != len(boxes):
                raise AnnotationError(
                    folder / self.absence,
                    f'{len(absent)} labels for {len(boxes)} boxes in {self.annotation}',
                )
            boxes[absent] = np.nan
        if not is_valid(boxes[0]):
            raise AnnotationError(file, 'the first frame has no box to start from', 1)
        return boxes


def _first_hole(clip: Clip) -> str:
    """Names the first number that is missing in a folder of numbered images."""
    stems = [file.stem for file in getattr(clip, 'files', [])]
    if not stems or not all(stem.isdecimal() for stem in stems):
        return ''
    numbers = {int(stem) for stem in stems}
    missing = next(
        (number for number in range(min(numbers), max(numbers)) if number not in numbers), None
    )
    return '' if missing is None else f' (frame {missing:0{len(stems[0])}d} is missing)'
