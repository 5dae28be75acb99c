"""Erasing from a template what the network relies on most, so that it learns the rest as well.

Axis letters: B pairs, C channels, H W feature cells, S template pixels.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def channel_saliency(
    template_features: Tensor, search_features: Tensor, positive: Tensor
) -> Tensor:
    """How much each place of each template channel speaks for the positive cells.

    Args:
        template_features: ``(B, C, Hk, Wk)``.
        search_features: ``(B, C, Hs, Ws)``.
        positive: ``(B, h, w)`` bool, cells of the response with a positive label.

    Returns:
        ``(B, C, Hk, Wk)``, at least 0, without gradient; all 0 for a pair without positive cell.

    Reference:
        S2SiamFC (ACM MM 2020), Eq. 6 to 8. The response is linear in the template, so the gradient
        of Eq. 7 is known in closed form: the search features that lie under the template, averaged
        over the positive cells.
    """
    template = template_features.detach()
    search = search_features.detach()
    batch, channels, height, width = search.shape
    share = positive.to(search.dtype)
    share = share / share.sum((1, 2), keepdim=True).clamp(min=1)
    # d S / d phi(z): correlate the search features with the map of positive cells.
    flat = search.reshape(1, batch * channels, height, width)
    weight = (
        share[:, None].expand(-1, channels, -1, -1).reshape(batch * channels, 1, *share.shape[1:])
    )
    gradient = F.conv2d(flat, weight, groups=batch * channels).reshape(template.shape)
    return F.relu(template * gradient.mean((2, 3), keepdim=True))


def salient_regions(saliency: Tensor, size_px: int, threshold: float = 0.5) -> Tensor:
    """Salient pixels of every channel.

    Args:
        saliency: ``(B, C, Hk, Wk)``, at least 0.
        size_px: Side ``S`` of the template crop.
        threshold: On the maps after they are stretched to [0, 1], all channels of a pair together.

    Returns:
        ``(B, C, S, S)`` bool; nothing is salient in a pair whose maps are flat.

    Reference:
        S2SiamFC, Eq. 9.
    """
    maps = F.interpolate(saliency, size=(size_px, size_px), mode='bilinear', align_corners=False)
    low = maps.amin((1, 2, 3), keepdim=True)
    high = maps.amax((1, 2, 3), keepdim=True)
    return maps - low > threshold * (high - low)


def choose_region(
    regions: Tensor, generator: torch.Generator | None = None, largest_share: float = 0.5
) -> Tensor:
    """One random channel of each pair that erases something, but less than ``largest_share`` of the
    template.

    Args:
        regions: ``(B, C, S, S)`` bool.
        generator: Of the random numbers, on the CPU; PyTorch's global one by default.
        largest_share: Channels that erase this share or more are not chosen.

    Returns:
        ``(B, S, S)`` bool; all False for a pair without such a channel.
    """
    share = regions.to(torch.float32).mean((2, 3))
    usable = (share > 0) & (share < largest_share)
    draws = torch.rand(usable.shape, generator=generator).to(usable.device)
    channel = torch.where(usable, draws, -torch.ones_like(draws)).argmax(1)
    rows = torch.arange(len(regions), device=regions.device)
    return regions[rows, channel] & usable.any(1)[:, None, None]


def erase(templates: Tensor, region: Tensor) -> Tensor:
    """Templates ``(B, 3, S, S)`` with the region ``(B, S, S)`` filled with each template's own mean
    colour.

    Reference:
        S2SiamFC, Eq. 10 and 11; the mean as filling is from its Sec. 3.4.
    """
    return torch.where(region[:, None], templates.mean((2, 3), keepdim=True), templates)
