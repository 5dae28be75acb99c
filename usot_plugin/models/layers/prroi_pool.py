"""Precise RoI pooling, exact and in plain PyTorch.

Axis letters: R boxes, C channels, H W map, P Q output bins down and across.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


def _hat_integral(x: Tensor) -> Tensor:
    """Integral of the hat function ``max(0, 1 - |u|)`` from minus infinity to ``x``."""
    x = x.clamp(-1, 1)
    return torch.where(x < 0, (x + 1) ** 2 / 2, 1 - (1 - x) ** 2 / 2)


def _bin_weights(low: Tensor, high: Tensor, bins: int, length: int) -> Tensor:
    """Weight of each map cell in each bin of one axis.

    A bilinearly interpolated map is a sum of products of hat functions, so that its integral over a
    box separates into two matrix
    products: ``out = Wy @ F @ Wx^T``.

    Args:
        low: Lower box borders, ``(R,)``, in cells.
        high: Upper box borders, ``(R,)``.
        bins: Number of equal bins.
        length: Number of cells.

    Returns:
        ``(R, bins, length)`` mean weights; 0 for a box without extent.
    """
    size = (high - low).clamp(min=0) / bins
    steps = torch.arange(bins, dtype=low.dtype, device=low.device)
    start = low[:, None] + steps * size[:, None]
    cells = torch.arange(length, dtype=low.dtype, device=low.device)
    first = _hat_integral(start[..., None] - cells)
    last = _hat_integral((start + size[:, None])[..., None] - cells)
    positive = size > 0
    safe = torch.where(positive, size, torch.ones_like(size))
    return (last - first) / safe[:, None, None] * positive[:, None, None]


def prroi_pool(
    features: Tensor,
    boxes_xyxy: Tensor,
    output_size: int | tuple[int, int],
    batch_index: Tensor | None = None,
) -> Tensor:
    """Average the bilinearly interpolated map over each bin of each box.

    Cell ``i`` of the map sits at coordinate ``i``; the map is zero outside. Differentiable in the
    features and in the box coordinates.

    Args:
        features: ``(B, C, H, W)``.
        boxes_xyxy: ``(R, 4)`` in cells of the map. A box without extent pools to 0.
        output_size: Bins down and across.
        batch_index: ``(R,)`` long, the sample each box belongs to; by default box ``i`` belongs to
            sample ``i`` (needs ``R == B``).

    Returns:
        ``(R, C, P, Q)``.

    Raises:
        ValueError: Without ``batch_index`` the numbers of boxes and of samples differ.

    Reference:
        IoU-Net (arXiv:1807.11590), Eq. 3 and 4.
    """
    rows, columns = (output_size, output_size) if isinstance(output_size, int) else output_size
    if batch_index is None:
        if len(boxes_xyxy) != len(features):
            raise ValueError(
                f'{len(boxes_xyxy)} boxes for {len(features)} samples: give batch_index'
            )
        chosen = features
    else:
        chosen = features[batch_index]
    # Never in half precision: bfloat16 knows a coordinate of 20 cells to an eighth of a cell, which
    # is a whole pixel of the crop.
    boxes = boxes_xyxy.to(
        torch.promote_types(torch.promote_types(boxes_xyxy.dtype, features.dtype), torch.float32)
    )
    weight_y = _bin_weights(boxes[:, 1], boxes[:, 3], rows, features.shape[2]).to(features.dtype)
    weight_x = _bin_weights(boxes[:, 0], boxes[:, 2], columns, features.shape[3]).to(features.dtype)
    return weight_y[:, None] @ chosen @ weight_x[:, None].transpose(-1, -2)


class PrRoIPool(nn.Module):
    """:func:`prroi_pool` with a fixed output size."""

    def __init__(self, output_size: int | tuple[int, int] = 7) -> None:
        super().__init__()
        self.output_size = output_size

    def forward(
        self, features: Tensor, boxes_xyxy: Tensor, batch_index: Tensor | None = None
    ) -> Tensor:
        """See :func:`prroi_pool`."""
        return prroi_pool(features, boxes_xyxy, self.output_size, batch_index)
