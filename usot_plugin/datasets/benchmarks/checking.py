"""Looking through a benchmark's folder for what is missing or broken, sequence by sequence, without
stopping at the first finding."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from usot_plugin.structures.boxes import start_problem
from usot_plugin.structures.clip import Clip, ClipError, FolderClip

from .annotations import AnnotationError
from .base import BenchmarkDataset
from .box_files import BoxFileBenchmark, shown
from .sequence import AnnotatedSequence

#: What reading a broken sequence may raise.
FINDINGS = (AnnotationError, ClipError, ValueError, OSError)


@dataclass
class SequenceCheck:
    """What was found in one sequence.

    Attributes:
        name: Of the sequence.
        frames: Number of frames, where it can be told.
        problems: One line each; the sequence cannot be used as it is.
        notes: One line each; worth knowing.
    """

    name: str
    frames: int = 0
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def attempt(self, step: Callable[[], object]) -> None:
        """Run a step; what it raises is a problem, written down once."""
        try:
            step()
        except FINDINGS as error:
            text = ' '.join(str(error).split())
            if text not in self.problems:
                self.problems.append(text)


def check_sequence(dataset: BenchmarkDataset, name: str, decode: bool = False) -> SequenceCheck:
    """Everything that can be found in one sequence.

    Args:
        dataset: The benchmark.
        name: One of its sequences.
        decode: Also decode every frame; otherwise only the first one, for its size.
    """
    found = SequenceCheck(name)
    steps: list[Callable[[], object]] = []
    found.attempt(lambda: steps.extend(dataset.checks(name)))
    for step in steps:
        found.attempt(step)
    if not found.problems:
        sequence = dataset.load(name)
        found.frames = len(sequence)
        found.attempt(lambda: _check_boxes(sequence, found))
        if decode:
            _decode(sequence.clip, found)
    return found


def count_problem(dataset: BenchmarkDataset) -> str | None:
    """What is wrong with the number of sequences, where the owners publish no list of names but a
    number."""
    if not isinstance(dataset, BoxFileBenchmark) or dataset.subset not in dataset.COUNTS:
        return None
    published = dataset.COUNTS[dataset.subset]
    return (
        None
        if len(dataset) == published
        else f'{len(dataset)} sequences, {published} are published'
    )


def _check_boxes(sequence: AnnotatedSequence, found: SequenceCheck) -> None:
    width, height = sequence.clip.size_wh
    boxes = sequence.boxes_xyxy
    with np.errstate(invalid='ignore'):
        outside = (boxes[:, 2:] <= 0).any(1) | (boxes[:, :2] >= (width, height)).any(1)
        beyond = ((boxes[:, :2] < 0).any(1) | (boxes[:, 2:] > (width, height)).any(1)) & ~outside
    anchors = (
        np.zeros(len(boxes), bool)
        if sequence.anchors is None
        else np.asarray(sequence.anchors) != 0
    )
    for frame in sorted(
        {0, *np.flatnonzero(anchors & sequence.present)} - set(np.flatnonzero(outside))
    ):
        wrong = start_problem(boxes[frame], sequence.clip.size_wh)
        if wrong is not None:
            x1, y1, x2, y2 = boxes[frame]
            found.problems.append(
                f'no tracker starts from the box of index {frame}: '
                f'{x1:g},{y1:g},{x2 - x1:g},{y2 - y1:g} {wrong}'
            )
    for frames, problem in ((outside, True), (beyond, False)):
        if frames.any():
            where = 'outside' if problem else 'partly outside'
            numbers = shown([str(index) for index in np.flatnonzero(frames)])
            lines = found.problems if problem else found.notes
            lines.append(
                f'{frames.sum()} boxes lie {where} the image of {width}x{height}: index {numbers}'
            )


def _decode(clip: Clip, found: SequenceCheck) -> None:
    for index in range(clip.frame_count):
        file = clip.files[index] if isinstance(clip, FolderClip) else clip.path
        with jpeg_warnings() as warned:
            found.attempt(lambda index=index: clip.read(index))  # type: ignore[misc]
        if warned:
            found.problems.append(f'{file}, frame {index}: damaged, {"; ".join(warned)}')
    found.problems += [f'{clip.path}: {note}' for note in clip.notes]


@contextmanager
def jpeg_warnings() -> Iterator[list[str]]:
    """What libjpeg says about damaged data in this block.

    It decodes what it can and only writes to the standard error of the process, without the name of
    the file; OpenCV does not pass it on."""
    warned: list[str] = []
    sys.stderr.flush()
    before = os.dup(2)
    with tempfile.TemporaryFile() as caught:
        os.dup2(caught.fileno(), 2)
        try:
            yield warned
        finally:
            os.dup2(before, 2)
            os.close(before)
            caught.seek(0)
            for line in caught.read().decode(errors='replace').splitlines():
                if line.startswith(('Corrupt JPEG', 'Premature end of JPEG')):
                    warned.append(line)
                else:
                    print(line, file=sys.stderr)
