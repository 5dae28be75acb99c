"""Two trackers on the same frames, one row above the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from .overlay import ANNOTATION_BGR, draw_box, write_plate
from .plots import tracker_bgr

#: Width of a picture, and height of the line of text above an object.
TILE_PX, HEAD_PX = 320, 26
HEAD_BGR = (40, 40, 40)


@dataclass(frozen=True)
class Shown:
    """One object as two trackers saw it.

    Attributes:
        title: Line above its pictures.
        frames: ``T`` images ``(H, W, 3)`` uint8 BGR.
        numbers: Their frame numbers in the clip.
        found_xyxy: ``(T, 4)`` discovered boxes, nan for none.
        rows: ``(label, (T, 4) boxes)`` of each tracker.
    """

    title: str
    frames: Sequence[np.ndarray]
    numbers: Sequence[int]
    found_xyxy: np.ndarray
    rows: Sequence[tuple[str, np.ndarray]]


def before_after_sheet(objects: Sequence[Shown]) -> np.ndarray:
    """A block for each object: its title, then a row of frames for each tracker.

    The tracker's box has its colour, the discovered box is thin and white.

    Returns:
        ``(H, W, 3)`` uint8 BGR.

    Raises:
        ValueError: There is no object.
    """
    if not objects:
        raise ValueError('no object to show')
    blocks = [_block(shown) for shown in objects]
    width = max(block.shape[1] for block in blocks)
    return np.concatenate([_widened(block, width) for block in blocks])


def _block(shown: Shown) -> np.ndarray:
    rows = [
        [_tile(shown, at, label, boxes[at], tracker_bgr(number)) for at in range(len(shown.frames))]
        for number, (label, boxes) in enumerate(shown.rows)
    ]
    pictures = np.concatenate([np.concatenate(row, axis=1) for row in rows])
    head = np.full((HEAD_PX, pictures.shape[1], 3), HEAD_BGR, np.uint8)
    place = (6, HEAD_PX - 8)
    cv2.putText(
        head, shown.title, place, cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255, 255, 255), 1, cv2.LINE_AA
    )
    return np.concatenate([head, pictures])


def _tile(
    shown: Shown, at: int, label: str, box_xyxy: np.ndarray, color: tuple[int, int, int]
) -> np.ndarray:
    image = shown.frames[at]
    scale = TILE_PX / image.shape[1]
    size = (TILE_PX, max(1, round(scale * image.shape[0])))
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    canvas = cv2.resize(image, size, interpolation=way)
    draw_box(canvas, shown.found_xyxy[at] * scale, ANNOTATION_BGR, thickest=1)
    # A box of two pixels: on a small picture the usual line of one is hardly seen.
    for grown in (0, 1):
        draw_box(canvas, box_xyxy * scale + np.array([-grown, -grown, grown, grown]), color)
    write_plate(canvas, f'{label}, frame {shown.numbers[at]}', (0, 0), color)
    return canvas


def _widened(block: np.ndarray, width: int) -> np.ndarray:
    missing = width - block.shape[1]
    return cv2.copyMakeBorder(block, 0, 0, 0, missing, cv2.BORDER_CONSTANT, value=HEAD_BGR)
