"""The two-layer network of DCFNet and UDT."""

from __future__ import annotations

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn import functional as F

from usot_plugin.models.layers.local_response_norm import LocalResponseNorm
from usot_plugin.registry import MODELS


@MODELS.register_module()
class DCFNetBackbone(BaseModule):
    """Two 3x3 convolutions at full resolution and local response normalisation across channels.

    Args:
        channels: Width of both layers.
        lrn: Constants of :class:`LocalResponseNorm`.
        init_cfg: MMEngine weight initialisation.

    Attributes:
        margin_px: How many pixels on each side an unpadded pass loses.

    Reference:
        DCFNet (arXiv:1704.04057), Sec. 4; UDT (arXiv:1904.01828), Sec. 3.4.
    """

    margin_px = 2

    def __init__(
        self, channels: int = 32, lrn: dict | None = None, init_cfg: dict | None = None
    ) -> None:
        super().__init__(init_cfg)
        self.out_channels = channels
        self.conv1 = nn.Conv2d(3, channels, 3)
        self.conv2 = nn.Conv2d(channels, channels, 3)
        self.norm = LocalResponseNorm(**(lrn or {}))

    def forward(self, crops: Tensor, padding: int = 0) -> Tensor:
        """Features of crops.

        Args:
            crops: ``(B, 3, H, W)``.
            padding: Zeros around each layer: 0 for training (a smaller map without border effects),
                1 for tracking (a map as large as the crop, whose borders the window suppresses).

        Returns:
            ``(B, channels, H - 4 + 4 * padding, W - 4 + 4 * padding)``.
        """
        # A CPU convolves few channels several times as fast where they lie side by side; the
        # Fourier transforms want rows side by side.
        crops = crops.contiguous(memory_format=torch.channels_last)
        hidden = F.relu(
            F.conv2d(crops, self.conv1.weight, self.conv1.bias, padding=padding), inplace=True
        )
        return self.norm(
            F.conv2d(hidden, self.conv2.weight, self.conv2.bias, padding=padding)
        ).contiguous()
