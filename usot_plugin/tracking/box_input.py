"""Boxes as a user gives them: on the command line, in a JSON file, with the mouse."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

from usot_plugin.structures.boxes import own_boxes, start_problem, xywh_to_xyxy
from usot_plugin.utils.json_text import parse_json

#: Least and largest length of the longer side of the window in which boxes are drawn.
WINDOW_PX = (720, 1280)


class InputError(ValueError):
    """What the user gave cannot be used; the message is one line that names it and the cause."""


def parse_box_xywh(text: str) -> np.ndarray:
    """``'x,y,w,h'`` as ``(4,)`` xyxy.

    Raises:
        InputError: Not four finite numbers, or a size that is not positive.
    """
    return _as_box(text.replace(',', ' ').split(), f'--box {text}')


def boxes_from_json(path: str | Path) -> np.ndarray:
    """Boxes of a file that holds ``[[x, y, w, h], ...]`` or ``{"boxes_xywh": [[x, y, w, h],
    ...]}``, as ``(B, 4)`` xyxy.

    Raises:
        InputError: No such file, not JSON, or not such boxes.
    """
    try:
        content = parse_json(Path(path).read_text(encoding='utf-8'))
    except OSError as error:
        raise InputError(f'{path}: cannot be read ({error.strerror})') from error
    except (ValueError, UnicodeDecodeError) as error:
        raise InputError(f'{path}: not JSON ({error})') from error
    boxes = content.get('boxes_xywh') if isinstance(content, dict) else content
    if not isinstance(boxes, list) or not boxes or not all(isinstance(box, list) for box in boxes):
        raise InputError(
            f'{path}: expected [[x, y, w, h], ...] or {{"boxes_xywh": [[x, y, w, h], ...]}}'
        )
    return np.stack([_as_box(box, f'{path}: box {index}') for index, box in enumerate(boxes)])


def _as_box(values: list, where: str) -> np.ndarray:
    try:
        box = np.array([float(value) for value in values])
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(f'{where}: a box is four numbers x,y,w,h ({error})') from error
    if box.shape != (4,):
        raise InputError(f'{where}: a box is four numbers x,y,w,h, got {len(box)}')
    if not np.isfinite(box).all():
        raise InputError(f'{where}: the box has to be finite')
    if (box[2:] <= 0).any():
        raise InputError(
            f'{where}: width and height have to be positive, got {box[2]:g} x {box[3]:g}'
        )
    return xywh_to_xyxy(box)


def check_boxes_in_frame(boxes_xyxy: Any, size_wh: tuple[int, int], source: str) -> None:
    """Refuse boxes that no tracker can start from
    (:func:`~usot_plugin.structures.boxes.start_problem`), and what are no boxes.

    Raises:
        InputError: The first such box, as ``x,y,w,h``, and the size of the frame.
    """
    try:
        boxes = own_boxes(boxes_xyxy)
    except ValueError as error:
        raise InputError(f'{source}: {error}') from error
    for box in boxes:
        problem = start_problem(box, size_wh)
        if problem is not None:
            x1, y1, x2, y2 = box
            raise InputError(f'{source}: box {x1:g},{y1:g},{x2 - x1:g},{y2 - y1:g} {problem}')


def has_display() -> bool:
    """Whether a window can be opened; always assumed on Windows and macOS."""
    return not sys.platform.startswith('linux') or bool(
        os.environ.get('DISPLAY') or os.environ.get('WAYLAND_DISPLAY')
    )


def select_boxes(
    frame: np.ndarray, title: str = 'Draw boxes: drag, ENTER after each, ESC when done'
) -> np.ndarray:
    """Let the user draw boxes with the mouse; ``(B, 4)`` xyxy.

    Raises:
        InputError: No display, an OpenCV without windows, or no box drawn.
    """
    if not has_display():
        raise InputError(
            'boxes cannot be drawn with the mouse: there is no display (DISPLAY is not set); '
            'give --box x,y,w,h or --boxes FILE'
        )
    import cv2

    height, width = frame.shape[:2]
    shown_wh = window_size((width, height))
    try:
        # Without Qt's tool bar: it is wider than a small frame, and the frame then moves under the
        # mouse while a box is drawn.
        cv2.namedWindow(title, cv2.WINDOW_AUTOSIZE | cv2.WINDOW_GUI_NORMAL)
        drawn = cv2.selectROIs(title, cv2.resize(frame, shown_wh), showCrosshair=False)
        cv2.destroyWindow(title)
    except cv2.error as error:
        raise InputError(
            'boxes cannot be drawn with the mouse: this OpenCV cannot open windows '
            f'({error.err}); give --box x,y,w,h'
        ) from error
    boxes = np.array([box for box in drawn if box[2] > 0 and box[3] > 0], np.float64)
    if not len(boxes):
        raise InputError('no box was drawn')
    return xywh_to_xyxy(boxes) * np.tile([width / shown_wh[0], height / shown_wh[1]], 2)


def window_size(size_wh: tuple[int, int]) -> tuple[int, int]:
    """Size that a frame is shown in: its longer side in :data:`WINDOW_PX`, so that a small target
    can be hit and a large frame fits."""
    longer = max(size_wh)
    scale = min(max(longer, WINDOW_PX[0]), WINDOW_PX[1]) / longer
    return max(1, round(size_wh[0] * scale)), max(1, round(size_wh[1] * scale))
