"""The only box conversions and overlaps of the project.

A box is continuous and 0-based: ``x1, y1, x2, y2`` in pixels, where pixel ``(0, 0)`` covers ``[0,
1) x [0, 1)``. ``xywh`` is top-left corner and size, ``cxcywh`` centre and size. Every function
takes NumPy arrays or torch tensors of shape ``(..., 4)`` and returns the same kind; gradients flow
through tensors.
"""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

#: Sides of a box to start from, in sides of its frame. The search area of a larger one needs
#: gigabytes.
LARGEST_BOX = 2.0
#: A side below this is no target that could be seen; such boxes are mostly shares of the frame, in
#: 0..1.
SMALLEST_BOX_PX = 1.0
ROUNDING_PX = 1e-3

ArrayT = TypeVar('ArrayT', np.ndarray, Tensor)


def _stack(parts: list[ArrayT]) -> ArrayT:
    if isinstance(parts[0], Tensor):
        return torch.stack(parts, dim=-1)
    return np.stack(parts, axis=-1)


def _minimum(a: ArrayT, b: ArrayT) -> ArrayT:
    return torch.minimum(a, b) if isinstance(a, Tensor) else np.minimum(a, b)


def _maximum(a: ArrayT, b: ArrayT) -> ArrayT:
    return torch.maximum(a, b) if isinstance(a, Tensor) else np.maximum(a, b)


def _positive(a: ArrayT) -> ArrayT:
    return a.clamp(min=0) if isinstance(a, Tensor) else np.clip(a, 0, None)


def own_boxes(boxes: Any) -> np.ndarray:
    """Boxes of a caller as a new ``(B, 4)`` float64 array, which shares no memory with what was
    given.

    Args:
        boxes: ``(B, 4)`` or ``(4,)``: an array or tensor of any real type and device, or lists of
            them.

    Raises:
        ValueError: Not real numbers, or another shape.
    """
    try:
        if not isinstance(boxes, Tensor | np.ndarray):
            boxes = [_on_cpu(box) for box in boxes]
        values = np.asarray(_on_cpu(boxes))
        if values.dtype.kind == 'c':
            raise TypeError('complex numbers')
        own = np.array(values, np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f'boxes are (B, 4) real numbers ({str(error).splitlines()[0]})') from error
    own = np.atleast_2d(own)
    if own.ndim != 2 or own.shape[1] != 4:
        raise ValueError(f'boxes are (B, 4), got shape {own.shape}')
    return own


def _on_cpu(value: Any) -> Any:
    """Tensors, alone or in lists, as arrays of doubles."""
    if isinstance(value, Tensor):
        return (
            value.detach()
            .to('cpu', torch.float64 if not value.is_complex() else None)
            .numpy()
            .copy()
        )
    return [_on_cpu(one) for one in value] if isinstance(value, list | tuple) else value


def xywh_to_xyxy(boxes: ArrayT) -> ArrayT:
    """Corner-and-size boxes ``(..., 4)`` as corner pairs."""
    x, y, w, h = (boxes[..., i] for i in range(4))
    return _stack([x, y, x + w, y + h])


def xyxy_to_xywh(boxes: ArrayT) -> ArrayT:
    """Corner-pair boxes ``(..., 4)`` as top-left corner and size."""
    x1, y1, x2, y2 = (boxes[..., i] for i in range(4))
    return _stack([x1, y1, x2 - x1, y2 - y1])


def cxcywh_to_xyxy(boxes: ArrayT) -> ArrayT:
    """Centre-and-size boxes ``(..., 4)`` as corner pairs."""
    cx, cy, w, h = (boxes[..., i] for i in range(4))
    return _stack([cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2])


def xyxy_to_cxcywh(boxes: ArrayT) -> ArrayT:
    """Corner-pair boxes ``(..., 4)`` as centre and size."""
    x1, y1, x2, y2 = (boxes[..., i] for i in range(4))
    return _stack([(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1])


def clip_boxes(boxes_xyxy: ArrayT, width: float, height: float) -> ArrayT:
    """Boxes ``(..., 4)`` cut at the borders of a ``width x height`` frame; nan stays nan."""
    x1, y1, x2, y2 = (boxes_xyxy[..., i] for i in range(4))
    clip = torch.clamp if isinstance(boxes_xyxy, Tensor) else np.clip
    return _stack(
        [clip(x1, 0, width), clip(y1, 0, height), clip(x2, 0, width), clip(y2, 0, height)]
    )


def box_areas(boxes_xyxy: ArrayT) -> ArrayT:
    """Areas ``(...)`` in square pixels; an inverted box has area 0."""
    w = _positive(boxes_xyxy[..., 2] - boxes_xyxy[..., 0])
    h = _positive(boxes_xyxy[..., 3] - boxes_xyxy[..., 1])
    return w * h


def iou(a_xyxy: ArrayT, b_xyxy: ArrayT) -> ArrayT:
    """Intersection over union of boxes that broadcast against each other.

    For all pairs of ``(N, 4)`` and ``(M, 4)`` call ``iou(a[:, None], b[None])``.

    Returns:
        ``(...)`` in [0, 1]; 0 where the union is empty; nan where a box is nan (target absent).
    """
    left_top = _maximum(a_xyxy[..., :2], b_xyxy[..., :2])
    right_bottom = _minimum(a_xyxy[..., 2:], b_xyxy[..., 2:])
    sides = _positive(right_bottom - left_top)
    inter = sides[..., 0] * sides[..., 1]
    union = box_areas(a_xyxy) + box_areas(b_xyxy) - inter
    if isinstance(union, Tensor):
        return inter / torch.where(union == 0, torch.ones_like(union), union)
    return inter / np.where(union == 0, np.ones_like(union), union)


def centre_penalty(a_xyxy: ArrayT, b_xyxy: ArrayT) -> ArrayT:
    """Squared centre distance over the squared diagonal of the enclosing box, ``(...)`` in [0, 1].

    Reference:
        DIoU (arXiv:1911.08287), Eq. 6; ``R_DIoU`` of the USOT paper, Eq. 3.
    """
    distance = (a_xyxy[..., :2] + a_xyxy[..., 2:] - b_xyxy[..., :2] - b_xyxy[..., 2:]) / 2
    enclosing = _maximum(a_xyxy[..., 2:], b_xyxy[..., 2:]) - _minimum(
        a_xyxy[..., :2], b_xyxy[..., :2]
    )
    diagonal2 = (enclosing**2).sum(-1)
    distance2 = (distance**2).sum(-1)
    if isinstance(diagonal2, Tensor):
        return distance2 / torch.where(diagonal2 == 0, torch.ones_like(diagonal2), diagonal2)
    return distance2 / np.where(diagonal2 == 0, np.ones_like(diagonal2), diagonal2)


def scale_boxes(boxes: ArrayT, factor_x: float, factor_y: float) -> ArrayT:
    """Boxes ``(..., 4)`` of either corner format after the frame is resized by the two factors."""
    return _stack(
        [
            boxes[..., 0] * factor_x,
            boxes[..., 1] * factor_y,
            boxes[..., 2] * factor_x,
            boxes[..., 3] * factor_y,
        ]
    )


def is_valid(boxes_xyxy: np.ndarray) -> np.ndarray:
    """Whether each box ``(..., 4)`` is finite and has a positive area."""
    finite = np.isfinite(boxes_xyxy).all(-1)
    return (
        finite
        & (boxes_xyxy[..., 2] > boxes_xyxy[..., 0])
        & (boxes_xyxy[..., 3] > boxes_xyxy[..., 1])
    )


def start_problem(box_xyxy: np.ndarray, size_wh: tuple[int, int]) -> str | None:
    """Why no tracker starts from a box ``(4,)`` in a frame of this size, in words; None where one
    can."""
    x1, y1, x2, y2 = (float(value) for value in box_xyxy)
    width, height = size_wh
    if not bool(is_valid(np.asarray(box_xyxy, np.float64))):
        return 'is nan or has no area'
    if x1 >= width or y1 >= height or x2 <= 0 or y2 <= 0:
        return f'lies outside the {width}x{height} frame'
    if x2 - x1 > LARGEST_BOX * width or y2 - y1 > LARGEST_BOX * height:
        return f'is more than {LARGEST_BOX:g} times the {width}x{height} frame'
    # Corners that were added up from x, y, w, h may be a rounding short of a pixel.
    if min(x2 - x1, y2 - y1) < SMALLEST_BOX_PX - ROUNDING_PX:
        return (
            f'is less than {SMALLEST_BOX_PX:g} px wide or high; boxes are in pixels, not in '
            'shares of the frame'
        )
    return None
