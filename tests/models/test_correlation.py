"""Correlation against a slow loop."""

from __future__ import annotations

import torch

from usot_plugin.models.layers.correlation import correlate_depthwise, correlate_full


def slow(search, kernel):
    batch, channels, height, width = search.shape
    kernel_h, kernel_w = kernel.shape[2:]
    out = torch.zeros(
        batch, channels, height - kernel_h + 1, width - kernel_w + 1, dtype=search.dtype
    )
    for y in range(out.shape[2]):
        for x in range(out.shape[3]):
            out[:, :, y, x] = (search[:, :, y : y + kernel_h, x : x + kernel_w] * kernel).sum(
                dim=(2, 3)
            )
    return out


def test_depthwise_equals_the_loop():
    search, kernel = (
        torch.rand(3, 4, 9, 7, dtype=torch.float64),
        torch.rand(3, 4, 3, 5, dtype=torch.float64),
    )
    assert torch.allclose(correlate_depthwise(search, kernel), slow(search, kernel))


def test_full_sums_over_the_channels():
    search, kernel = (
        torch.rand(2, 4, 8, 8, dtype=torch.float64),
        torch.rand(2, 4, 5, 5, dtype=torch.float64),
    )
    assert torch.allclose(
        correlate_full(search, kernel), slow(search, kernel).sum(dim=1, keepdim=True)
    )
