"""Channel adjustment between backbone and head."""

from __future__ import annotations

from mmengine.model import BaseModule
from torch import Tensor

from usot_plugin.models.layers.blocks import conv_bn
from usot_plugin.registry import MODELS


@MODELS.register_module()
class AdjustNeck(BaseModule):
    """1x1 convolution and batch norm, no ReLU.

    Args:
        in_channels: Channels of the backbone.
        out_channels: Channels of the head; 256 in USOT.
    """

    def __init__(
        self, in_channels: int, out_channels: int = 256, init_cfg: dict | None = None
    ) -> None:
        super().__init__(init_cfg)
        self.adjust = conv_bn(in_channels, out_channels, 1, relu=False)

    def forward(self, features: Tensor) -> Tensor:
        """``(B, in_channels, H, W)`` to ``(B, out_channels, H, W)``."""
        return self.adjust(features)
