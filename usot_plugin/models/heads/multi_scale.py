"""Three encodings of a feature map with different receptive fields, and their weighted
correlation."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from usot_plugin.models.layers.blocks import conv_bn
from usot_plugin.models.layers.correlation import correlate_depthwise

#: Dilation (down, across) of the three 3x3 encodings: square, tall, wide.
DILATIONS = ((1, 1), (2, 1), (1, 2))


class MultiScaleEncoder(nn.Module):
    """Unpadded 3x3 conv-BN-ReLU at the dilations of :data:`DILATIONS`; a 7x7 map gives 5x5, 3x5 and
    5x3.

    Reference:
        Ocean (arXiv:2006.10721), Sec. 3.2; USOT Fig. 4.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            conv_bn(channels, channels, 3, dilation=dilation) for dilation in DILATIONS
        )

    def forward(self, features: Tensor) -> list[Tensor]:
        """``(B, C, H, W)`` to three maps ``(B, C, h, w)``, each smaller by its own receptive
        field."""
        return [branch(features) for branch in self.branches]


class MultiScaleCorrelation(nn.Module):
    """Depth-wise correlation of each pair of encodings, summed with softmax-normalised learned
    weights."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(len(DILATIONS)))

    def forward(self, search_codes: list[Tensor], template_codes: list[Tensor]) -> Tensor:
        """Three encodings of either side to one map ``(B, C, H - 6, W - 6)`` for 7x7 templates and
        ``H x W`` search features."""
        weights = torch.softmax(self.weight, dim=0)
        maps = (
            correlate_depthwise(search, template)
            for search, template in zip(search_codes, template_codes, strict=True)
        )
        return sum(weight * response for weight, response in zip(weights, maps, strict=True))
