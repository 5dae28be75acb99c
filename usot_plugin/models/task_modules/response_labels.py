"""What a response map without regression is asked for: high near the target's centre, low
elsewhere."""

from __future__ import annotations

import torch
from torch import Tensor


def response_axis(cells: int, crop_px: int, stride: int, like: Tensor) -> Tensor:
    """Pixels ``(cells,)`` of the response cells along one axis: the middle cell sits in the middle
    of the crop.

    Continuous coordinates: the middle of a crop of ``S`` pixels is at ``S / 2``.
    """
    steps = torch.arange(cells, dtype=like.dtype, device=like.device) - (cells - 1) / 2
    return crop_px / 2 + stride * steps


def disc_labels(
    boxes_xyxy: Tensor, cells: int, crop_px: int, stride: int, radius_px: float
) -> Tensor:
    """1 on the cells within a radius of the target's centre, 0 elsewhere; all 0 where the target is
    absent.

    Args:
        boxes_xyxy: ``(B, 4)`` in search-crop pixels; nan for a target that is not in the crop.
        cells: Side of the response map.
        crop_px: Side of the search crop.
        stride: Pixels per cell.
        radius_px: Euclidean radius, its rim included.

    Returns:
        ``(B, cells, cells)`` in the dtype of the boxes, rows are y.

    Reference:
        SiamFC (arXiv:1606.09549), Eq. 4; a pair without target as in S2SiamFC Sec. 3.5.
    """
    centre = (boxes_xyxy[:, :2] + boxes_xyxy[:, 2:]) / 2
    axis = response_axis(cells, crop_px, stride, boxes_xyxy)
    dx2 = (axis - centre[:, :1]).square()
    dy2 = (axis - centre[:, 1:]).square()
    # A comparison with nan is false, so an absent target has no positive cell.
    return (dy2[:, :, None] + dx2[:, None, :] <= radius_px**2).to(boxes_xyxy.dtype)
