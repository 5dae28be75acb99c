"""The plain anchor-free head: one encoding per side, one depth-wise correlation."""

from __future__ import annotations

from torch import Tensor, nn

from usot_plugin.models.layers.blocks import conv_bn
from usot_plugin.models.layers.correlation import correlate_depthwise
from usot_plugin.registry import MODELS

from .anchor_free import AnchorFreeHead


class SingleScaleEncoder(nn.Module):
    """Unpadded 3x3 conv-BN-ReLU: a 7x7 map gives 5x5."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = conv_bn(channels, channels, 3)

    def forward(self, features: Tensor) -> list[Tensor]:
        """``(B, C, H, W)`` to a list of one map ``(B, C, H - 2, W - 2)``."""
        return [self.conv(features)]


class DepthwiseCorrelation(nn.Module):
    """The template's map slides over the search area's."""

    def forward(self, search_codes: list[Tensor], template_codes: list[Tensor]) -> Tensor:
        """One map of either side to ``(B, C, H - 6, W - 6)`` for 7x7 templates and ``H x W`` search
        features."""
        (search,), (template,) = search_codes, template_codes
        return correlate_depthwise(search, template)


@MODELS.register_module()
class DepthwiseHead(AnchorFreeHead):
    """Head of SiamFC++ and SiamCAR kind, with USOT's memory branch where the config asks for it.

    A third of :class:`USOTHead`'s encoders; ``memory=dict(type='CycleMemoryNeck')`` gives it cycle
    training and on-line memory.

    Args:
        **kwargs: As for :class:`AnchorFreeHead`.

    Reference:
        SiamFC++ (arXiv:1911.06188), Sec. 3.2, without its quality branch; SiamRPN++
        (arXiv:1812.11703), Sec. 3.4, for the correlation.
    """

    @staticmethod
    def make_encoder(channels: int) -> nn.Module:
        """One receptive field."""
        return SingleScaleEncoder(channels)

    @staticmethod
    def make_correlation() -> nn.Module:
        """No parameter."""
        return DepthwiseCorrelation()
