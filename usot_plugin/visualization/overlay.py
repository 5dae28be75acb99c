"""Draw tracked targets into frames. Arrays in, arrays out; no window is needed."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence

import cv2
import numpy as np

from usot_plugin.structures.regions import Region

#: Colour of a target that its tracker believes lost, BGR.
LOST_BGR = (150, 150, 150)
#: Colour of annotated boxes, BGR.
ANNOTATION_BGR = (255, 255, 255)
#: Share of the target's colour in the pixels of its region.
TINT = 0.45
#: Turn of the colour circle between two ids; the golden angle keeps any number of neighbours apart.
_HUE_STEP = 0.618033988749895
_FONT = cv2.FONT_HERSHEY_SIMPLEX


def target_color(target_id: int) -> tuple[int, int, int]:
    """A bright BGR colour that stays the same for an id."""
    red, green, blue = colorsys.hsv_to_rgb((0.33 + target_id * _HUE_STEP) % 1, 0.85, 1.0)
    return round(255 * blue), round(255 * green), round(255 * red)


def draw_targets(
    frame: np.ndarray,
    boxes_xyxy: np.ndarray,
    scores: np.ndarray | None = None,
    lost: np.ndarray | None = None,
    ids: Sequence[int] | None = None,
    annotated_xyxy: np.ndarray | None = None,
    caption: str | None = None,
    lost_label: str = 'lost',
    regions: Sequence[Region | None] | None = None,
) -> np.ndarray:
    """Draw boxes with id and score; a lost target is grey and dashed.

    Args:
        frame: ``(H, W, 3)`` uint8 BGR; not changed.
        boxes_xyxy: ``(B, 4)`` pixels; a nan box is not drawn.
        scores: ``(B,)`` confidences to write.
        lost: ``(B,)`` bool.
        ids: Numbers to write and to colour by; 0, 1, ... by default.
        annotated_xyxy: ``(B, 4)`` true boxes, drawn thin and white below the others.
        caption: Text in the lower left corner.
        lost_label: Word beside a lost target.
        regions: ``B`` masks or polygons, of trackers that report them: tinted below the boxes; None
            for none.

    Returns:
        A new image of the same size.
    """
    canvas = np.ascontiguousarray(frame).copy()
    boxes = np.asarray(boxes_xyxy, np.float64).reshape(-1, 4)
    for index, region in enumerate(regions or ()):
        if region is not None:
            _tint(canvas, region, target_color(ids[index] if ids is not None else index))
    if annotated_xyxy is not None:
        for box in np.asarray(annotated_xyxy, np.float64).reshape(-1, 4):
            draw_box(canvas, box, ANNOTATION_BGR, dashed=False, thickest=1)
    labels = []
    for index, box in enumerate(boxes):
        target_id = ids[index] if ids is not None else index
        is_lost = bool(lost[index]) if lost is not None else False
        color = LOST_BGR if is_lost else target_color(target_id)
        if draw_box(canvas, box, color, dashed=is_lost):
            parts = [
                f'#{target_id}',
                lost_label if is_lost else '',
                f'{scores[index]:.2f}' if scores is not None else '',
            ]
            labels.append((' '.join(part for part in parts if part), box, color))
    for text, box, color in labels:  # after all boxes, so that no line crosses a text
        _label_box(canvas, text, box, color)
    if caption:
        write_plate(
            canvas, caption, (0, canvas.shape[0] - _text_size(canvas, caption)[1]), (32, 32, 32)
        )
    return canvas


def _tint(canvas: np.ndarray, region: Region, color: tuple[int, int, int]) -> None:
    """Colour the pixels of a region, so that the picture shows through, and draw its border."""
    mask = region.to_mask(canvas.shape[1], canvas.shape[0])
    canvas[mask] = (1 - TINT) * canvas[mask] + TINT * np.array(color)
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(canvas, contours, -1, color, 1)


def draw_box(
    canvas: np.ndarray,
    box_xyxy: np.ndarray,
    color: tuple[int, int, int],
    dashed: bool = False,
    thickest: int = 8,
) -> bool:
    """Outline of a box, also of one that sticks out of the frame; says whether there was anything
    to draw. Small boxes get thin lines."""
    if not np.isfinite(box_xyxy).all():
        return False
    side = min(*canvas.shape[:2], 20 * float((box_xyxy[2:] - box_xyxy[:2]).min()))
    line = int(np.clip(round(side / 240), 1, thickest))
    # OpenCV takes int coordinates of pixel centres; far-away ones would overflow them.
    height, width = canvas.shape[:2]
    limit = 4 * max(height, width)
    x1, y1, x2, y2 = (
        int(value) for value in np.clip(np.round(box_xyxy - (0, 0, 1, 1)), -limit, limit)
    )
    if not dashed:
        cv2.rectangle(canvas, (x1, y1), (max(x1, x2), max(y1, y2)), color, line, cv2.LINE_AA)
        return True
    for start, end in (
        ((x1, y1), (x2, y1)),
        ((x2, y1), (x2, y2)),
        ((x2, y2), (x1, y2)),
        ((x1, y2), (x1, y1)),
    ):
        _dashed_line(canvas, start, end, color, line)
    return True


def _dashed_line(
    canvas: np.ndarray,
    start: tuple[int, int],
    end: tuple[int, int],
    color: tuple[int, int, int],
    line: int,
) -> None:
    a = np.array(start, np.float64)
    b = np.array(end, np.float64)
    length = float(np.hypot(*(b - a)))
    dash = 4 * line + 2
    for position in np.arange(0, max(length, 1), 2 * dash):
        stop = min(position + dash, length)
        ends = [a + (b - a) * (at / max(length, 1)) for at in (position, stop)]
        cv2.line(
            canvas,
            tuple(int(v) for v in ends[0]),
            tuple(int(v) for v in ends[1]),
            color,
            line,
            cv2.LINE_AA,
        )


def _label_box(
    canvas: np.ndarray, text: str, box_xyxy: np.ndarray, color: tuple[int, int, int]
) -> None:
    """The text above the box, or inside it where there is no room above; always inside the
    frame."""
    width, height = _text_size(canvas, text)
    x = int(np.clip(box_xyxy[0], 0, max(0, canvas.shape[1] - width)))
    above = box_xyxy[1] - height
    y = int(np.clip(above if above >= 0 else box_xyxy[1], 0, max(0, canvas.shape[0] - height)))
    write_plate(canvas, text, (x, y), color)


def _font(canvas: np.ndarray) -> tuple[float, int]:
    scale = float(np.clip(min(canvas.shape[:2]) / 720, 0.35, 1.5))
    return scale, max(1, round(scale * 1.4))


def _text_size(canvas: np.ndarray, text: str) -> tuple[int, int]:
    scale, line = _font(canvas)
    (width, height), baseline = cv2.getTextSize(text, _FONT, scale, line)
    return width + 4, height + baseline + 4


def write_plate(
    canvas: np.ndarray, text: str, left_top: tuple[int, int], background: tuple[int, int, int]
) -> None:
    """Text on a filled plate, black or white, whichever can be read on it."""
    scale, line = _font(canvas)
    width, height = _text_size(canvas, text)
    (_, text_height), _ = cv2.getTextSize(text, _FONT, scale, line)
    x, y = left_top
    cv2.rectangle(canvas, (x, y), (x + width - 1, y + height - 1), background, -1)
    luminance = 0.114 * background[0] + 0.587 * background[1] + 0.299 * background[2]
    ink = (0, 0, 0) if luminance > 110 else (255, 255, 255)
    cv2.putText(canvas, text, (x + 2, y + text_height + 2), _FONT, scale, ink, line, cv2.LINE_AA)
