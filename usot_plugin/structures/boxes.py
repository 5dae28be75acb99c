"""The only box conversions and overlaps of the project.

A box is continuous and 0-based: ``x1, y1, x2, y2`` in pixels, where pixel ``(0, 0)`` covers ``[0, 1) x [0, 1)``. ``xywh`` is top-left
corner and size, ``cxcywh`` centre and size. Every function takes NumPy arrays or torch tensors of shape ``(..., 4)`` and returns the same
kind; gradients flow through tensors.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

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
    return _stack([clip(x1, 0, width), clip(y1, 0, height), clip(x2, 0, width), clip(y2, 0, height)])


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
    enclosing = _maximum(a_xyxy[..., 2:], b_xyxy[..., 2:]) - _minimum(a_xyxy[..., :2], b_xyxy[..., :2])
    diagonal2 = (enclosing**2).sum(-1)
    distance2 = (distance**2).sum(-1)
    if isinstance(diagonal2, Tensor):
        return distance2 / torch.where(diagonal2 == 0, torch.ones_like(diagonal2), diagonal2)
    return distance2 / np.where(diagonal2 == 0, np.ones_like(diagonal2), diagonal2)


def scale_boxes(boxes: ArrayT, factor_x: float, factor_y: float) -> ArrayT:
    """Boxes ``(..., 4)`` of either corner format after the frame is resized by the two factors."""
    return _stack([boxes[..., 0] * factor_x, boxes[..., 1] * factor_y, boxes[..., 2] * factor_x, boxes[..., 3] * factor_y])


def is_valid(boxes_xyxy: np.ndarray) -> np.ndarray:
    """Whether each box ``(..., 4)`` is finite and has a positive area."""
    finite = np.isfinite(boxes_xyxy).all(-1)
    return finite & (boxes_xyxy[..., 2] > boxes_xyxy[..., 0]) & (boxes_xyxy[..., 3] > boxes_xyxy[..., 1])
