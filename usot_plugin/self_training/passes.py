"""A tracker there and back again: the passes that re-labelling is made of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from usot_plugin.self_training.relabelling import Pass
from usot_plugin.structures.boxes import iou, is_valid, start_problem
from usot_plugin.structures.clip import Clip
from usot_plugin.tracking.base import Tracker

#: Frames that are held in memory to be shown in reverse.
REVERSED_AT_ONCE = 48


@dataclass(frozen=True)
class Start:
    """Where a way begins, and its last frame, which is before the first for a way back in time."""

    frame: int
    box_xyxy: np.ndarray
    until: int


@dataclass
class Way:
    """What the tracker said on one way, the start first."""

    frames: list[int] = field(default_factory=list)
    boxes_xyxy: list[np.ndarray] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)

    def add(self, frame: int, box_xyxy: np.ndarray, score: float) -> None:
        self.frames.append(frame)
        self.boxes_xyxy.append(np.asarray(box_xyxy, np.float64))
        self.scores.append(score)


def frames_forward(
    clip: Clip, first: int, last: int, step: int
) -> Iterator[tuple[int, np.ndarray]]:
    """The frames ``first <= index <= last`` of a clip that are multiples of ``step``."""
    for index, frame in clip.iter_frames(first, last + 1):
        if index % step == 0:
            yield index, frame


def frames_backward(
    clip: Clip, first: int, last: int, step: int
) -> Iterator[tuple[int, np.ndarray]]:
    """The same from the last to the first; few frames are in memory at a time."""
    stop = last + 1
    while stop > first:
        start = max(first, stop - REVERSED_AT_ONCE)
        yield from reversed(list(frames_forward(clip, start, stop - 1, step)))
        stop = start


def follow(
    tracker: Tracker, frames: Iterable[tuple[int, np.ndarray]], starts: Sequence[Start]
) -> list[Way]:
    """Track from many starts through one run of frames; all targets that are under way in a frame
    are one batch.

    Args:
        tracker: The tracker.
        frames: Numbered frames in the order of the ways, every start's frame among them.
        starts: Boxes that a tracker can start with.

    Returns:
        One way a start. It ends early where the tracker calls its target lost.
    """
    ways = [Way() for _ in starts]
    waiting: dict[int, list[int]] = {}
    for number, start in enumerate(starts):
        waiting.setdefault(start.frame, []).append(number)
    under_way: list[int] = []
    state: Any = None
    for index, frame in frames:
        if under_way:
            prediction, state = tracker.update(frame, state)
            goes_on = []
            for target, number in enumerate(under_way):
                if prediction.lost[target] or not is_valid(prediction.boxes_xyxy[target]):
                    continue
                ways[number].add(
                    index, prediction.boxes_xyxy[target], float(prediction.scores[target])
                )
                if index != starts[number].until:
                    goes_on.append(target)
            state = (
                state
                if len(goes_on) == len(under_way)
                else tracker.select(state, goes_on)
                if goes_on
                else None
            )
            under_way = [under_way[target] for target in goes_on]
        begin = [number for number in waiting.get(index, ()) if starts[number].until != index]
        if begin:
            fresh = tracker.init(frame, np.stack([starts[number].box_xyxy for number in begin]))
            state = tracker.concat([state, fresh]) if under_way else fresh
            under_way += begin
        for number in waiting.get(index, ()):
            ways[number].add(index, starts[number].box_xyxy, 1.0)
    return ways


def there_and_back(tracker: Tracker, clip: Clip, starts: Sequence[Start], step: int) -> list[Pass]:
    """A pass from every start: to its last frame, and back from where the way ended.

    All ways forward in time, of every start, share one reading of the clip, and so do all ways
    backward: the clip is read three times.

    Args:
        tracker: The tracker.
        clip: The clip.
        starts: Ways forward and backward in time, of at least one step; frames are multiples of
            ``step``.
        step: The tracker sees every ``step``-th frame.

    Raises:
        ClipError: A frame cannot be decoded.
    """
    if not starts:
        return []
    later = [start for start in starts if start.until > start.frame]
    earlier = [start for start in starts if start.until < start.frame]
    bounds = [frame for start in starts for frame in (start.frame, start.until)]
    first = min(bounds)
    last = max(bounds)
    there = follow(tracker, frames_forward(clip, first, last, step), later)
    backward = [*earlier, *_ways_back(there, clip.size_wh)]
    seen = follow(tracker, frames_backward(clip, first, last, step), backward)
    there_earlier = seen[: len(earlier)]
    back = seen[len(earlier) :]
    back_earlier = (
        follow(
            tracker,
            frames_forward(clip, first, last, step),
            _ways_back(there_earlier, clip.size_wh),
        )
        if earlier
        else []
    )
    ways = zip(later + earlier, there + there_earlier, back + back_earlier, strict=True)
    return [_compare(start, way, its_return, step) for start, way, its_return in ways]


def _ways_back(ways: Sequence[Way], size_wh: tuple[int, int]) -> list[Start]:
    """From the last usable box of each way to its start; a way of one frame has none, and goes
    nowhere."""
    starts = []
    for way in ways:
        last = max(
            at for at, box in enumerate(way.boxes_xyxy) if at == 0 or can_start(box, size_wh)
        )
        starts.append(Start(way.frames[last], way.boxes_xyxy[last], way.frames[0]))
    return starts


def can_start(box_xyxy: np.ndarray, size_wh: tuple[int, int]) -> bool:
    """Whether a tracker takes a box to start from."""
    return start_problem(box_xyxy, size_wh) is None


def _compare(start: Start, way: Way, back: Way, step: int) -> Pass:
    """The way there with its agreement; frames that it did not come to are part of it, without a
    box.

    In the frame of the start the box is that of the way back: the tracker's own word, not the one
    that it was given.
    """
    frames = np.arange(
        start.frame,
        start.until + np.sign(start.until - start.frame),
        step if start.until > start.frame else -step,
    )
    boxes = np.full((len(frames), 4), np.nan)
    scores = np.zeros(len(frames))
    agreement = np.zeros(len(frames))
    boxes[: len(way.frames)], scores[: len(way.frames)] = way.boxes_xyxy, way.scores
    reached = len(back.frames)  # the way back walks over the same frames
    end = way.frames.index(back.frames[0])
    agreement[end - reached + 1 : end + 1] = iou(
        boxes[end - reached + 1 : end + 1], np.stack(back.boxes_xyxy)[::-1]
    )
    # Where the way back begins it agrees with itself: the frame says as much as its neighbour.
    agreement[end] = agreement[end - 1] if end else 0.0
    if end and reached > end:
        boxes[0] = back.boxes_xyxy[-1]
    return Pass(start.frame, frames, boxes, scores, agreement)
