"""Cross-correlation of search and template features."""

from __future__ import annotations

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
    batch, channels, height, width = search.shape
    grouped = search.reshape(1, batch * channels, height, width)
    weight = kernel.reshape(batch * channels, 1, *kernel.shape[2:])
    response = F.conv2d(grouped, weight, groups=batch * channels)
    return response.reshape(batch, channels, *response.shape[2:])


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
