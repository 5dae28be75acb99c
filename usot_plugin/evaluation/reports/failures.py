"""Where trackers fail, and pictures of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np

from usot_plugin.datasets.benchmarks.sequence import AnnotatedSequence
from usot_plugin.structures.boxes import iou, is_valid
from usot_plugin.structures.crops import boxes_to_crop, crop_region

#: A frame with a smaller overlap is a failure.
FAILURE_OVERLAP = 0.1
ANNOTATION_COLOR = '#ffffff'
#: Side of a picture of a strip, and the gap between two.
TILE_PX, GAP_PX = 220, 6
#: Side of the shown square, in sides of what has to be in it, and at least in sides of the target.
MARGIN, LEAST_TARGETS = 1.25, 3.0


@dataclass(frozen=True)
class Failure:
    """The longest stretch over which one tracker misses its target in one sequence.

    Attributes:
        tracker: Who.
        sequence: Where.
        start: First missed frame.
        stop: End, exclusive; frames without annotation in between are part of it.
        missed: Missed frames with annotation.
        annotated: Frames with annotation of the whole sequence.
    """

    tracker: str
    sequence: str
    start: int
    stop: int
    missed: int
    annotated: int


def longest_failure(
    tracker: str, sequence: AnnotatedSequence, predicted_xyxy: np.ndarray
) -> Failure | None:
    """The longest run of annotated frames with an overlap below :data:`FAILURE_OVERLAP`; None where
    there is none.

    Args:
        tracker: Name of the tracker.
        sequence: ``T`` annotated frames.
        predicted_xyxy: ``(T, 4)`` boxes; nan is a miss.
    """
    present = np.flatnonzero(sequence.present)
    overlaps = iou(predicted_xyxy[present], sequence.boxes_xyxy[present])
    missed = ~(overlaps >= FAILURE_OVERLAP)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], missed, [False]]).astype(int)))
    if not len(edges):
        return None
    starts, stops = edges[::2], edges[1::2]
    best = int((stops - starts).argmax())
    first, last = present[starts[best]], present[stops[best] - 1]
    return Failure(
        tracker,
        sequence.name,
        int(first),
        int(last) + 1,
        int(stops[best] - starts[best]),
        len(present),
    )


def failure_strip(
    sequence: AnnotatedSequence,
    failure: Failure,
    boxes_xyxy: Mapping[str, np.ndarray],
    colors: Mapping[str, str],
    tiles: int = 6,
) -> bytes:
    """A row of crops from just before a failure to its end, as JPEG.

    Each crop holds the annotated box (white) and the failing tracker's; boxes of the other trackers
    are drawn thinner where they fall into it.

    Args:
        sequence: The frames.
        failure: Which part.
        boxes_xyxy: ``(T, 4)`` of each tracker.
        colors: ``#rrggbb`` of each tracker.
        tiles: Number of crops.

    Raises:
        ClipError: A frame cannot be decoded.
    """
    before = max(0, failure.start - 1)
    frames = np.unique(np.linspace(before, failure.stop - 1, tiles).round().astype(int))
    pictures = []
    for frame in frames:
        image = sequence.clip.read(int(frame))
        region = _region(
            sequence.boxes_xyxy[frame], boxes_xyxy[failure.tracker][frame], sequence.clip.size_wh
        )
        tile = crop_region(image, region, (TILE_PX, TILE_PX), (96, 96, 96))
        for tracker, boxes in boxes_xyxy.items():
            _draw(
                tile,
                boxes_to_crop(boxes[frame], region, (TILE_PX, TILE_PX)),
                colors[tracker],
                2 if tracker == failure.tracker else 1,
            )
        _draw(
            tile,
            boxes_to_crop(sequence.boxes_xyxy[frame], region, (TILE_PX, TILE_PX)),
            ANNOTATION_COLOR,
            2,
        )
        cv2.rectangle(tile, (0, 0), (9 + 9 * len(str(frame)), 19), (24, 24, 24), -1)
        cv2.putText(
            tile,
            str(frame),
            (5, 14),
            cv2.FONT_HERSHEY_SIMPLEX,
            0.45,
            (255, 255, 255),
            1,
            cv2.LINE_AA,
        )
        pictures.append(
            cv2.copyMakeBorder(tile, 0, 0, 0, GAP_PX, cv2.BORDER_CONSTANT, value=(255, 255, 255))
        )
    strip = np.concatenate(pictures, axis=1)[:, :-GAP_PX]
    return cv2.imencode('.jpg', strip, [cv2.IMWRITE_JPEG_QUALITY, 85])[1].tobytes()


def _region(
    annotated_xyxy: np.ndarray, predicted_xyxy: np.ndarray, size_wh: tuple[int, int]
) -> tuple[int, int, int, int]:
    """A square with both boxes in it; the whole frame where there is none."""
    known = np.array([box for box in (annotated_xyxy, predicted_xyxy) if is_valid(box)])
    if not len(known):
        known = np.array([[0.0, 0.0, *size_wh]])
    low = known[:, :2].min(0)
    high = known[:, 2:].max(0)
    target = (known[0, 2:] - known[0, :2]).max()
    side = min(max((high - low).max() * MARGIN, target * LEAST_TARGETS), 2.0 * max(size_wh))
    left, top = ((low + high - side) / 2).round().astype(int)
    return int(left), int(top), int(left + round(side)), int(top + round(side))


def _draw(tile: np.ndarray, box_xyxy: np.ndarray, color: str, line: int) -> None:
    if not np.isfinite(box_xyxy).all():
        return
    red, green, blue = (int(color[at : at + 2], 16) for at in (1, 3, 5))
    x1, y1, x2, y2 = np.clip(box_xyxy, -TILE_PX, 2 * TILE_PX).round().astype(int).tolist()
    if line > 1:
        cv2.rectangle(tile, (x1, y1), (x2 - 1, y2 - 1), (0, 0, 0), line + 2, cv2.LINE_AA)
    cv2.rectangle(tile, (x1, y1), (x2 - 1, y2 - 1), (blue, green, red), line, cv2.LINE_AA)
