"""Result files in VOT's own form, as the official toolkit and pysot read and write them.

``OUT/<tracker>/baseline/<sequence>/`` holds a text file a run, a line a frame
(:mod:`usot_plugin.structures.regions`), and beside it ``<run>_time.value`` (seconds) and
``<run>_confidence.value``, with an empty line where the tracker was not called. The toolkit's own
binary files are read, too (:mod:`usot_plugin.evaluation.results.vot_binary`).
"""

from __future__ import annotations

import glob
import re
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from usot_plugin.datasets.benchmarks.sequence import AnnotatedSequence
from usot_plugin.evaluation.results.result_files import ResultError, ResultFolder
from usot_plugin.evaluation.results.vot_binary import read_entries
from usot_plugin.structures.boxes import is_valid
from usot_plugin.structures.regions import BoxRegion, FrameCode, Region, format_region, parse_frame
from usot_plugin.utils.atomic import remove_quietly, write_cause, write_text
from usot_plugin.utils.names import path_below

#: Name of the experiment in VOT's folders.
EXPERIMENT = 'baseline'
#: Entry of :attr:`VOTRun.codes` where there is a region.
REGION = -1
#: A region this far from the annotation cannot be a rounding matter.
FAR_PX = 2.0
#: Runs that VOT asks of trackers that may differ from run to run.
STOCHASTIC_REPETITIONS = 15


@dataclass(frozen=True, eq=False)
class VOTRun:
    """One run of a tracker.

    Attributes:
        entries: ``T`` regions or codes, in the order in which the run saw the frames.
        seconds: ``(T,)`` of ``init`` or ``update``, without decoding; nan where the tracker was not
            called.
        scores: ``(T,)`` confidence; nan likewise.
    """

    entries: tuple[Region | FrameCode, ...]
    seconds: np.ndarray
    scores: np.ndarray

    def __len__(self) -> int:
        return len(self.entries)

    @property
    def codes(self) -> np.ndarray:
        """``(T,)`` int: the code, :data:`REGION` where there is a region."""
        return np.array(
            [int(entry) if isinstance(entry, FrameCode) else REGION for entry in self.entries],
            np.int64,
        )

    def updates_and_seconds(self) -> tuple[int, float]:
        """Number of updates, and the time they took."""
        updated = np.isfinite(self.seconds) & (self.codes != FrameCode.INITIALISATION)
        return int(updated.sum()), float(self.seconds[updated].sum())


def annotated_regions(sequence: AnnotatedSequence) -> tuple[Region | None, ...]:
    """What a sequence is scored against: its regions, or else its boxes; None where the target is
    absent."""
    if sequence.regions is not None:
        return sequence.regions
    return tuple(
        BoxRegion(box) if present else None
        for box, present in zip(sequence.boxes_xyxy, sequence.present, strict=True)
    )


class VOTResults(ResultFolder):
    """What the result folders of both VOT protocols share."""

    #: Protocol that the metrics ask for.
    protocol: str

    def run_file(self, name: str, number: int) -> Path:
        """Text file of one run of the sequence ``name``."""
        return (
            path_below(self.path / EXPERIMENT, name, 'sequence') / f'{self._stem(name, number)}.txt'
        )

    @abstractmethod
    def _stem(self, name: str, number: int) -> str:
        """File name of a run without its ending."""

    @abstractmethod
    def _numbers(self, sequence: AnnotatedSequence) -> Sequence[int]:
        """Numbers of the runs of a sequence, as its files are named."""

    @abstractmethod
    def _run_reason(self, sequence: AnnotatedSequence, number: int, run: VOTRun) -> str | None:
        """What is wrong with one run, in words."""

    def write(self, name: str, result: Mapping[int, VOTRun]) -> None:
        """Write all runs of a sequence, ``{number: run}``, the one with the smallest number last.

        Raises:
            ResultError: The folder cannot be written to.
        """
        self.discard(name)
        for number in sorted(result, reverse=True):
            file, run = self.run_file(name, number), result[number]
            texts = {
                file.with_name(f'{file.stem}_time.value'): [
                    _number(value) for value in run.seconds
                ],
                file.with_name(f'{file.stem}_confidence.value'): [
                    _number(value) for value in run.scores
                ],
                file: [format_region(entry) for entry in run.entries],
            }
            for path, lines in texts.items():
                try:
                    write_text(path, '\n'.join(lines) + '\n')
                except OSError as error:
                    raise ResultError(
                        path, f'cannot be written ({write_cause(error, path)})'
                    ) from error

    def read(self, name: str) -> dict[int, VOTRun]:
        """Read all runs that lie there, in the order of their numbers.

        Raises:
            ResultError: Missing or malformed.
        """
        numbers = self.existing(name)
        if not numbers:
            raise ResultError(
                path_below(self.path / EXPERIMENT, name, 'sequence'),
                'no result file of this sequence',
            )
        return {number: self.read_run(name, number) for number in numbers}

    def existing(self, name: str) -> list[int]:
        """Numbers of the runs that lie there."""
        pattern = re.compile(rf'{re.escape(name)}_(\d+)\.(txt|bin)')
        folder = path_below(self.path / EXPERIMENT, name, 'sequence')
        found = (pattern.fullmatch(file.name) for file in folder.glob(f'{glob.escape(name)}_*'))
        return sorted({int(match[1]) for match in found if match})

    def read_run(self, name: str, number: int) -> VOTRun:
        """Read one run. A text file alone (of another toolkit) is enough.

        Raises:
            ResultError: Missing or malformed.
        """
        file = self.run_file(name, number)
        binary = file.with_suffix('.bin')
        entries = (
            _binary_entries(binary)
            if binary.exists() and not file.exists()
            else _text_entries(file)
        )
        seconds, scores = (
            _values(file.with_name(f'{file.stem}_{kind}.value'), len(entries))
            for kind in ('time', 'confidence')
        )
        return VOTRun(tuple(entries), seconds, scores)

    def unfinished_reason(self, sequence: AnnotatedSequence) -> str | None:
        """See :meth:`ResultFolder.unfinished_reason`: all runs, as many lines as frames, and the
        codes at the right frames."""
        try:
            wrong = self._numbers_reason(sequence)
            for number in () if wrong else self._numbers(sequence):
                reason = self._run_reason(sequence, number, self.read_run(sequence.name, number))
                if reason is not None:
                    return f'{self._stem(sequence.name, number)}.txt: {reason}'
        except ResultError as error:
            return f'{error.path.name}: {error.cause}'
        return wrong

    def _numbers_reason(self, sequence: AnnotatedSequence) -> str | None:
        """What is wrong with the set of runs, in words."""
        missing = sorted(set(self._numbers(sequence)) - set(self.existing(sequence.name)))
        return f'no file {self._stem(sequence.name, missing[0])}.txt' if missing else None

    def discard(self, name: str) -> None:
        """Remove all runs of one sequence, the text files first."""
        folder = path_below(self.path / EXPERIMENT, name, 'sequence')
        for number in self.existing(name):
            for ending in ('.txt', '.bin'):
                self.run_file(name, number).with_suffix(ending).unlink(missing_ok=True)
        for file in folder.glob(f'{glob.escape(name)}_*.value'):
            remove_quietly(file)

    def sample(self, sequence: AnnotatedSequence) -> dict[str, Any]:
        """What the VOT metrics need of one sequence."""
        return {
            'name': sequence.name,
            'tracker': self.path.name,
            'protocol': self.protocol,
            'runs': {
                number: self.read_run(sequence.name, number) for number in self._numbers(sequence)
            },
            'annotated': annotated_regions(sequence),
            'anchors': sequence.anchors,
            'size_wh': sequence.clip.size_wh,
            'frame_attributes': dict(sequence.frame_attributes),
        }


class ResetResults(VOTResults):
    """``<sequence>_001.txt`` ...: one file a repetition; 1 = start, 2 = failure, 0 = skipped, else
    the region.

    Args:
        path: ``OUT/<tracker>``.
        repetitions: Runs a sequence; None takes 1 (a tracker that repeats itself) or 15.
        skip_frames: Frames from a failure to the next start.
    """

    protocol = 'vot_reset'

    def __init__(
        self, path: str | Path, repetitions: int | None = None, skip_frames: int = 5
    ) -> None:
        super().__init__(path)
        self.repetitions, self.skip_frames = repetitions, skip_frames

    def _stem(self, name: str, number: int) -> str:
        return f'{name}_{number:03d}'

    def _numbers(self, sequence: AnnotatedSequence) -> Sequence[int]:
        return range(1, (self.repetitions or max(self.existing(sequence.name), default=1)) + 1)

    def _numbers_reason(self, sequence: AnnotatedSequence) -> str | None:
        wrong = super()._numbers_reason(sequence)
        count = len(self.existing(sequence.name))
        wanted = (self.repetitions,) if self.repetitions else (1, STOCHASTIC_REPETITIONS)
        if wrong is None and count not in wanted:
            return (
                f'{count} runs, wanted are {" or ".join(map(str, wanted))} (key repetitions '
                'of the protocol)'
            )
        return wrong

    def _run_reason(self, sequence: AnnotatedSequence, number: int, run: VOTRun) -> str | None:
        present = [region is not None for region in annotated_regions(sequence)]
        wrong = _length_reason(run, len(sequence)) or _reset_codes_reason(
            run.codes, present, self.skip_frames
        )
        return wrong or _distance_reason(run, sequence.boxes_xyxy)


class MultiStartResults(VOTResults):
    """``<sequence>_<frame>.txt``: one file an anchor, eight digits, 0-based; its lines follow the
    run, backward where the run did."""

    protocol = 'vot_multistart'

    def _stem(self, name: str, number: int) -> str:
        return f'{name}_{number:08d}'

    def _numbers(self, sequence: AnnotatedSequence) -> Sequence[int]:
        return list(anchor_runs(sequence.name, sequence.anchors))

    def _run_reason(self, sequence: AnnotatedSequence, number: int, run: VOTRun) -> str | None:
        wrong = _length_reason(run, len(anchor_runs(sequence.name, sequence.anchors)[number]))
        if wrong is None and run.codes[0] != FrameCode.INITIALISATION:
            wrong = 'line 1 is not the code 1 of a start'
        elsewhere = np.flatnonzero(run.codes[1:] >= FrameCode.INITIALISATION) + 2
        return wrong or (
            f'line {elsewhere[0]}: code {run.codes[elsewhere[0] - 1]} inside a run'
            if len(elsewhere)
            else None
        )


def anchor_runs(name: str, anchors: np.ndarray | None) -> dict[int, range]:
    """Frames of each run from an anchor, in its order: forward to the end where the value is above
    0, backward where it is below.

    Forward anchors come first, as the official toolkit has it.

    Raises:
        ValueError: The sequence ``name`` has no anchor.
    """
    values = np.zeros(0) if anchors is None else np.asarray(anchors)
    if not (values != 0).any():
        raise ValueError(
            f'{name}: no anchors; multi-start runs begin at annotated anchors (VOT2020 and later)'
        )
    forward = {int(frame): range(int(frame), len(values)) for frame in np.flatnonzero(values > 0)}
    return forward | {int(frame): range(int(frame), -1, -1) for frame in np.flatnonzero(values < 0)}


def _length_reason(run: VOTRun, count: int) -> str | None:
    return None if len(run) == count else f'{len(run)} lines for {count} frames'


def _reset_codes_reason(codes: np.ndarray, present: Sequence[bool], skip_frames: int) -> str | None:
    """The first frame whose code the protocol cannot have written there."""
    start: int | None = 0
    for frame, code in enumerate(codes):
        if start is not None:
            waiting = frame < start or not present[frame]
            expected = FrameCode.UNKNOWN if waiting else FrameCode.INITIALISATION
            if code != expected:
                return f'line {frame + 1}: expected the code {int(expected)}'
            start = start if waiting else None
        elif code == FrameCode.INITIALISATION:
            return f'line {frame + 1}: a start (code 1) without a failure before it'
        elif code == FrameCode.UNKNOWN and present[frame]:
            return f'line {frame + 1}: 0 or nan where there has to be a region'
        elif code == FrameCode.FAILURE:
            start = frame + skip_frames
    return None


def _distance_reason(run: VOTRun, annotated_xyxy: np.ndarray) -> str | None:
    """A region that does not touch the annotation would have been a failure: the file belongs to
    something else."""
    boxes = np.full((len(run), 4), np.nan)
    for frame, entry in enumerate(run.entries):
        if not isinstance(entry, FrameCode):
            boxes[frame] = entry.box_xyxy
    gaps = np.maximum(
        boxes[:, :2] - annotated_xyxy[:, 2:], annotated_xyxy[:, :2] - boxes[:, 2:]
    ).max(1)
    far = np.flatnonzero(is_valid(annotated_xyxy) & (gaps > FAR_PX))
    return (
        f'line {far[0] + 1}: a region that does not touch the annotation is a failure; another '
        'sequence?'
        if len(far)
        else None
    )


def _number(value: float) -> str:
    return f'{value:.6f}' if np.isfinite(value) else ''


def _text_entries(file: Path) -> list[Region | FrameCode]:
    entries: list[Region | FrameCode] = []
    lines = _lines(file)
    while lines and not lines[-1].strip():  # of other programs
        lines.pop()
    for line, text in enumerate(lines, 1):
        try:
            entries.append(parse_frame(text))
        except ValueError as error:
            raise ResultError(file, f'line {line}: {error}') from error
    return entries


def _binary_entries(file: Path) -> list[Region | FrameCode]:
    try:
        return read_entries(file.read_bytes())
    except (OSError, ValueError) as error:
        raise ResultError(file, f'not a readable binary result file ({error})') from error


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding='utf-8-sig').splitlines()
    except FileNotFoundError as error:
        raise ResultError(file, 'no such result file') from error
    except (OSError, UnicodeDecodeError) as error:
        raise ResultError(file, 'not a readable text file') from error


def _values(file: Path, count: int) -> np.ndarray:
    """Numbers of a ``.value`` file, nan for empty lines and where there is no file."""
    if not file.exists():
        return np.full(count, np.nan)
    lines = _lines(file)
    if len(lines) != count:
        raise ResultError(file, f'{len(lines)} lines beside {count} regions')
    try:
        return np.array([float(line) if line.strip() else np.nan for line in lines])
    except ValueError as error:
        raise ResultError(file, f'not a number a line ({error})') from error
