"""DAVIS 2016 and 2017: masks of one or several objects."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from usot_plugin.registry import DATASETS
from usot_plugin.structures.regions import MaskRegion

from .annotations import AnnotationError, read_lines
from .box_files import BoxFileBenchmark, SequenceFiles, shown

#: Label of pixels that count for nobody.
VOID = 255


@dataclass(frozen=True)
class LabelImages:
    """Object labels of each frame, read from the mask files when asked for.

    Attributes:
        files: The mask of each frame, None where it has none.
        one_object: All objects are label 1.
    """

    files: tuple[Path | None, ...]
    one_object: bool = False

    def __call__(self, index: int) -> np.ndarray | None:
        """``(H, W)`` uint8: 0 = background, 255 = void; None where the frame has no mask.

        Raises:
            AnnotationError: The file cannot be read, or is a colour image without labels.
        """
        path = self.files[index]
        if path is None:
            return None
        labels = read_labels(path)
        return (
            np.where(labels == VOID, VOID, labels > 0).astype(np.uint8)
            if self.one_object
            else labels
        )


def read_labels(path: str | Path) -> np.ndarray:
    """Labels of a palette or grey PNG file, ``(H, W)`` uint8.

    Raises:
        AnnotationError: The file cannot be read, or is a colour image.
    """
    from PIL import (
        Image,
        UnidentifiedImageError,
    )  # OpenCV gives a palette's colours, not its indices

    try:
        with Image.open(path) as image:
            mode = image.mode
            if mode not in ('P', 'L', '1'):
                raise AnnotationError(
                    path, f'a mask holds labels in a palette or grey, this is {mode}'
                )
            labels = np.array(image).astype(np.uint8)
    except (UnidentifiedImageError, SyntaxError) as error:
        raise AnnotationError(path, 'not an image that can be decoded') from error
    except OSError as error:
        raise AnnotationError(path, f'cannot be read ({error.strerror or error})') from error
    # DAVIS 2016's own files are grey, and their object is white.
    return (
        labels
        if mode == 'P' or not np.isin(labels, (0, VOID)).all()
        else (labels > 0).astype(np.uint8)
    )


@DATASETS.register_module()
class DAVISDataset(BoxFileBenchmark):
    """``ROOT/{JPEGImages,Annotations}/<resolution>/<sequence>/%05d.{jpg,png}`` and
    ``ROOT/ImageSets/<year>/<split>.txt``.

    ``load_labels`` gives the labels of all objects of a frame; with the year 2016 all objects are
    one. ``boxes_xyxy`` are the bounding boxes of the object with the smallest label in the first
    frame, so that a box tracker has something to follow.

    Args:
        data_root: Folder of ``JPEGImages``.
        subset: '2017' or '2016', the year.
        split: Name of the list: 'val', 'train', 'test-dev' ...
        resolution: Folder of the frames.
        sequences: See :class:`BoxFileBenchmark`.
        metainfo: See :class:`BoxFileBenchmark`.

    Raises:
        ValueError: No such folder, or an unknown sequence.
        AnnotationError: The list of the split is missing.
    """

    SUBSETS = {'2017': 'DAVIS 2017', '2016': 'DAVIS 2016'}
    METAINFO = {'convention': 'got10k'}
    #: Masks need none; boxes are taken from their pixels.
    origin = 0
    first_number = 0

    def __init__(
        self,
        data_root: str | Path,
        subset: str = '2017',
        split: str = 'val',
        resolution: str = '480p',
        sequences: Sequence[str] | None = None,
        metainfo: dict[str, Any] | None = None,
    ) -> None:
        self.split, self.resolution = split, resolution
        super().__init__(data_root, subset, sequences, metainfo)

    def find_names(self) -> list[str]:
        return read_lines(self.data_root / 'ImageSets' / self.subset / f'{self.split}.txt')

    def files_of(self, name: str) -> SequenceFiles:
        frames, masks = (
            self.data_root / part / self.resolution / name for part in ('JPEGImages', 'Annotations')
        )
        return SequenceFiles(frames, masks)

    def labels_of(self, files: SequenceFiles) -> LabelImages:
        """The masks of a sequence, none of them read yet."""
        there = {path.name for path in files.annotation.glob('*.png')}
        names = [f'{Path(frame).stem}.png' for frame in self.frame_names(files)]
        return LabelImages(
            tuple(files.annotation / name if name in there else None for name in names),
            self.subset == '2016',
        )

    def target_label(self, files: SequenceFiles) -> int:
        """The smallest label of an object in the first frame.

        Raises:
            AnnotationError: The first frame has no mask, or no object in it.
        """
        labels = self.labels_of(files)(0)
        if labels is None:
            raise AnnotationError(files.annotation, 'the first frame has no mask')
        objects = np.setdiff1d(labels, (0, VOID))
        if not len(objects):
            raise AnnotationError(files.annotation, 'the mask of the first frame has no object')
        return int(objects[0])

    def read_annotation(self, name: str, files: SequenceFiles, frame_count: int) -> dict[str, Any]:
        target = self.target_label(files)
        load_labels = self.labels_of(files)
        boxes = np.full((frame_count, 4), np.nan)
        for index in range(frame_count):
            labels = load_labels(index)
            if labels is not None:
                boxes[index] = MaskRegion(labels == target).box_xyxy
        return {'boxes_xyxy': boxes, 'load_labels': load_labels}

    def full_init(self) -> None:
        """Open every sequence once, so that a broken one is reported before any tracking starts;
        reads one mask of each."""
        self.refuse_missing()
        for name in self.names:
            self.target_label(self.files_of(name))

    def checks(self, name: str) -> list[Callable[[], object]]:
        files = self.files_of(name)
        if self.missing_reason(files):
            return super().checks(name)
        masks = [partial(read_labels, path) for path in sorted(files.annotation.glob('*.png'))]
        return [
            lambda: self.frame_names(files),
            lambda: self._refuse_holes(files),
            *masks,
            lambda: self.load(name),
        ]

    def _refuse_holes(self, files: SequenceFiles) -> None:
        masks = self.labels_of(files).files
        missing = [str(index) for index, path in enumerate(masks) if path is None]
        if missing:
            raise AnnotationError(
                files.annotation,
                f'{len(missing)} of {len(masks)} masks are missing: {shown(missing)}',
            )
