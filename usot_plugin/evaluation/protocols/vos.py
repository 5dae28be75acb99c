"""Semi-supervised video object segmentation as DAVIS runs it, with its result files."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from usot_plugin.datasets.benchmarks.annotations import AnnotationError
from usot_plugin.datasets.benchmarks.davis import VOID, read_labels
from usot_plugin.datasets.benchmarks.sequence import AnnotatedSequence
from usot_plugin.evaluation.results.result_files import (
    ResultError,
    ResultFolder,
    read_numbers,
    write_numbers,
)
from usot_plugin.registry import TASK_UTILS
from usot_plugin.structures.regions import MaskRegion
from usot_plugin.structures.trajectory import Prediction
from usot_plugin.tracking.base import Tracker
from usot_plugin.utils.atomic import whole_file, write_cause
from usot_plugin.utils.names import path_below

from .base import Protocol


@dataclass(frozen=True)
class LabelTrack:
    """All objects of one sequence.

    Attributes:
        labels: ``(T, H, W)`` uint8, 0 = background.
        seconds: ``(T,)`` wall-clock time of init (first) and of each update, decoding excluded.
    """

    labels: np.ndarray
    seconds: np.ndarray


@TASK_UTILS.register_module()
class VOS(Protocol):
    """Start from the objects of the first frame, all at once, and give every pixel of the other
    frames to one of them or to none.

    A tracker starts from the boxes of the objects. What it says is a mask or a polygon where it
    gives regions, else its filled box. A pixel that several objects claim goes to the one with the
    highest score, among equal ones to the smallest label.

    Reference:
        DAVIS 2017 (arXiv:1704.00675), Sec. 3.
    """

    name = 'vos'

    def run(self, tracker: Tracker, sequence: AnnotatedSequence) -> LabelTrack:
        """Drive ``tracker`` over ``sequence``.

        Raises:
            ClipError: A frame cannot be decoded.
            ValueError: The sequence has no masks, no object in the first frame, or the tracker
                cannot start from one.
        """
        first = first_labels(sequence)
        objects = object_labels(first)
        boxes = _boxes(first, objects)
        if type(tracker).for_run is not Tracker.for_run:  # else no mask but the first is read
            tracker = tracker.for_run(
                np.stack(
                    [
                        _boxes(_labels(sequence, index, first), objects)
                        for index in range(len(sequence))
                    ]
                )
            )
        track = LabelTrack(
            np.zeros((len(sequence), *first.shape), np.uint8), np.zeros(len(sequence))
        )
        state = None
        for index, frame in sequence.clip.iter_frames():
            if frame.shape[:2] != first.shape:
                raise ValueError(
                    f'{sequence.name}: masks of {_size(first)} and frames of {_size(frame)} px'
                )
            start = time.perf_counter()
            if index == 0:
                state = tracker.init(frame, boxes)
                track.labels[0] = first
            else:
                prediction, state = tracker.update(frame, state)
                track.labels[index] = paint(prediction, objects, first.shape)
            track.seconds[index] = time.perf_counter() - start
        return track

    def result_folder(self, path: str | Path) -> VOSResults:
        """See :meth:`Protocol.result_folder`."""
        return VOSResults(path)

    def updates_and_seconds(self, result: LabelTrack) -> tuple[int, float]:
        """See :meth:`Protocol.updates_and_seconds`."""
        return len(result.seconds) - 1, float(result.seconds[1:].sum())


class VOSResults(ResultFolder):
    """``<sequence>/%05d.png``, one indexed image a frame as DAVIS wants it, from 00000; beside them
    ``<sequence>_time.txt``.

    The image of the first frame, which is the annotation, is written last.
    """

    def image_file(self, name: str, index: int) -> Path:
        return path_below(self.path, name, 'sequence') / f'{index:05d}.png'

    def time_file(self, name: str) -> Path:
        return path_below(self.path, f'{name}_time.txt', 'sequence')

    def write(self, name: str, result: LabelTrack) -> None:
        """See :meth:`ResultFolder.write`."""
        self.discard(name)
        write_numbers(self.time_file(name), result.seconds, '%.6f')
        for index in reversed(range(len(result.labels))):
            write_labels(self.image_file(name, index), result.labels[index])

    def read(self, name: str) -> LabelTrack:
        """See :meth:`ResultFolder.read`; times are nan where there is no time file."""
        count = len(list((self.path / name).glob('*.png')))
        labels = np.stack(
            [read_result_labels(self.image_file(name, index)) for index in range(max(count, 1))]
        )
        return LabelTrack(labels, self._seconds(name, count))

    def unfinished_reason(self, sequence: AnnotatedSequence) -> str | None:
        """See :meth:`ResultFolder.unfinished_reason`: one image a frame, the first one the
        annotation's objects."""
        missing = [
            index
            for index in range(len(sequence))
            if not self.image_file(sequence.name, index).is_file()
        ]
        if missing:
            return (
                f'{len(missing)} of {len(sequence)} images are missing, the first is '
                f'{self.image_file(sequence.name, missing[0]).name}'
            )
        try:
            first = read_result_labels(self.image_file(sequence.name, 0))
            self._seconds(sequence.name, len(sequence))
        except ResultError as error:
            return f'{error.path.name}: {error.cause}'
        if not np.array_equal(first, first_labels(sequence)):
            return 'it starts from other masks than the annotation'
        return None

    def discard(self, name: str) -> None:
        """Remove the result of one sequence, the image of the first frame first."""
        written = re.compile(r'\d{5,}\.png')  # nothing else, whoever has put it there
        images = [
            file
            for file in path_below(self.path, name, 'sequence').glob('*.png')
            if written.fullmatch(file.name)
        ]
        for file in [*sorted(images), self.time_file(name)]:
            file.unlink(missing_ok=True)

    def sample(self, sequence: AnnotatedSequence) -> dict[str, Any]:
        """What :class:`VOSMetric` needs of one sequence; masks are read frame by frame."""
        first = first_labels(sequence)
        return {
            'name': sequence.name,
            'tracker': self.path.name,
            'objects': object_labels(first),
            'frame_count': len(sequence),
            'read_predicted': partial(self.read_frame, sequence.name),
            'read_annotated': sequence.load_labels,
            'seconds': self._seconds(sequence.name, len(sequence)),
        }

    def read_frame(self, name: str, index: int) -> np.ndarray:
        """Labels of one frame, ``(H, W)`` uint8.

        Raises:
            ResultError: Missing, or no indexed image.
        """
        return read_result_labels(self.image_file(name, index))

    def _seconds(self, name: str, count: int) -> np.ndarray:
        file = self.time_file(name)
        return read_numbers(file, 1, count)[:, 0] if file.exists() else np.full(count, np.nan)


def paint(prediction: Prediction, objects: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """What a tracker says of ``B`` objects as one label image ``(H, W)`` uint8; see
    :class:`VOS`."""
    labels = np.zeros(shape, np.uint8)
    for target in np.lexsort((-np.arange(len(objects)), prediction.scores)):
        region = prediction.region(target)
        if region is not None:
            labels[region.to_mask(shape[1], shape[0])] = objects[target]
    return labels


def first_labels(sequence: AnnotatedSequence) -> np.ndarray:
    """Labels of the first frame, ``(H, W)`` uint8; void is background, as in the official
    semi-supervised evaluation.

    Raises:
        ValueError: There are none, or no object is in them.
    """
    labels = None if sequence.load_labels is None else sequence.load_labels(0)
    if labels is None:
        raise ValueError(
            f'{sequence.name}: there is no mask of the first frame, which this protocol starts from'
        )
    labels = np.where(labels == VOID, 0, labels).astype(np.uint8)
    if not labels.any():
        raise ValueError(f'{sequence.name}: there is no object in the mask of the first frame')
    return labels


def object_labels(labels: np.ndarray) -> np.ndarray:
    """Labels of the objects in an image, ``(B,)`` uint8, ascending."""
    return np.setdiff1d(np.unique(labels), (0, VOID)).astype(np.uint8)


def write_labels(path: Path, labels: np.ndarray) -> None:
    """Write labels ``(H, W)`` as an indexed PNG whole or not at all.

    Raises:
        ResultError: It cannot be written.
    """
    from PIL import Image

    image = Image.fromarray(labels)  # a grey image becomes an indexed one by its palette
    image.putpalette(label_palette().tobytes())
    try:
        with whole_file(path) as temporary:
            image.save(temporary)
    except OSError as error:
        raise ResultError(path, f'cannot be written ({write_cause(error, path)})') from error


def read_result_labels(path: Path) -> np.ndarray:
    """Labels of a result image, ``(H, W)`` uint8.

    Raises:
        ResultError: Missing, or no indexed image.
    """
    try:
        return read_labels(path)
    except AnnotationError as error:
        raise ResultError(path, error.cause) from error


def label_palette() -> np.ndarray:
    """Colours of the labels, ``(256, 3)`` uint8 RGB: a label's bits are dealt out to the channels,
    from their highest bit down."""
    labels = np.arange(256)[:, None]
    rounds = np.arange(8)
    return np.stack(
        [(((labels >> (3 * rounds + channel)) & 1) << (7 - rounds)).sum(1) for channel in range(3)],
        1,
    ).astype(np.uint8)


def _labels(sequence: AnnotatedSequence, index: int, first: np.ndarray) -> np.ndarray:
    labels = sequence.load_labels(index) if sequence.load_labels is not None else None
    return np.zeros_like(first) if labels is None else labels


def _boxes(labels: np.ndarray, objects: np.ndarray) -> np.ndarray:
    """Boxes ``(B, 4)`` around the objects, nan where one is not in sight."""
    return np.stack([MaskRegion(labels == label).box_xyxy for label in objects])


def _size(array: np.ndarray) -> str:
    return f'{array.shape[1]}x{array.shape[0]}'
