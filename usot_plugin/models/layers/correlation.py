"""Cross-correlation of search and template features."""

from __future__ import annotations

import functools
import operator

import torch
from torch import Tensor
from torch.nn import functional as F


def correlate_depthwise(search: Tensor, kernel: Tensor) -> Tensor:
    """Slide each template channel over the same channel of its own search map.

    Args:
        search: Search features, ``(B, C, Hs, Ws)``.
        kernel: Template features, ``(B, C, Hk, Wk)`` with ``Hk <= Hs`` and ``Wk <= Ws``.

    Returns:
        Response, ``(B, C, Hs - Hk + 1, Ws - Wk + 1)``, not divided by the kernel's area.

    Reference:
        SiamRPN++ (arXiv:1812.11703), Sec. 3.4.
    """
    if torch.onnx.is_in_onnx_export():
        return _correlate_by_shifts(search, kernel)
    batch, channels, height, width = search.shape
    grouped = search.reshape(1, batch * channels, height, width)
    weight = kernel.reshape(batch * channels, 1, *kernel.shape[2:])
    response = F.conv2d(grouped, weight, groups=batch * channels)
    return response.reshape(batch, channels, *response.shape[2:])


def _correlate_by_shifts(search: Tensor, kernel: Tensor) -> Tensor:
    """The same as a sum over the kernel's cells: an ONNX convolution has a fixed number of groups,
    so it would fix the batch."""
    rows = int(kernel.shape[2])
    columns = int(kernel.shape[3])
    shifted = (
        search[:, :, y : y - rows + 1 or None, x : x - columns + 1 or None]
        * kernel[:, :, y : y + 1, x : x + 1]
        for y in range(rows)
        for x in range(columns)
    )
    return functools.reduce(operator.add, shifted)


def correlate_full(search: Tensor, kernel: Tensor) -> Tensor:
    """Slide the whole template over its own search map and sum over the channels.

    Args:
        search: Search features, ``(B, C, Hs, Ws)``.
        kernel: Template features, ``(B, C, Hk, Wk)``.

    Returns:
        Response, ``(B, 1, Hs - Hk + 1, Ws - Wk + 1)``.

    Reference:
        SiamFC (arXiv:1606.09549), Eq. 2.
    """
    batch, channels, height, width = search.shape
    response = F.conv2d(search.reshape(1, batch * channels, height, width), kernel, groups=batch)
    return response.transpose(0, 1)


def correlate_cosine(search: Tensor, kernel: Tensor) -> Tensor:
    """Cosine between the template and every window of its search map.

    Args:
        search: Search features, ``(B, C, Hs, Ws)``.
        kernel: Template features, ``(B, C, Hk, Wk)``.

    Returns:
        ``(B, 1, Hs - Hk + 1, Ws - Wk + 1)`` in [-1, 1]; 0 where a window or the template is 0
        throughout.
    """
    rows, columns = kernel.shape[2:]
    energy = F.avg_pool2d(search.square().sum(1, keepdim=True), (rows, columns), stride=1) * (
        rows * columns
    )
    norms = energy.sqrt() * kernel.square().sum((1, 2, 3), keepdim=True).sqrt()
    return correlate_full(search, kernel) / norms.clamp(min=1e-6)
