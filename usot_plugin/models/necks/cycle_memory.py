"""The confidence-value module that makes one response out of a queue of memories."""

from __future__ import annotations

import torch
from mmengine.model import BaseModule
from torch import Tensor

from usot_plugin.models.layers.blocks import conv_bn
from usot_plugin.registry import MODELS


@MODELS.register_module()
class CycleMemoryNeck(BaseModule):
    """Element-wise weighted mean of the correlation maps of all memory entries.

    Each map is turned into a confidence and a value by one 3x3 conv-BN-ReLU each; the confidences
    are normalised by softmax over the memory axis and weigh the values.

    Args:
        channels: Channels of a correlation map.
        max_confidence: Upper clamp of the confidence before the softmax (the release's 4; its lower
            clamp at -6 cannot act behind a ReLU).

    Reference:
        USOT, Eq. 8.
    """

    def __init__(
        self, channels: int, max_confidence: float = 4.0, init_cfg: dict | None = None
    ) -> None:
        super().__init__(init_cfg)
        self.max_confidence = max_confidence
        self.confidence = conv_bn(channels, channels, 3, padding=1, bias=True)
        self.value = conv_bn(channels, channels, 3, padding=1, bias=True)

    def forward(self, correlations: Tensor, multiplicity: Tensor | None = None) -> Tensor:
        """Fuse ``N`` correlation maps.

        Args:
            correlations: ``(B, N, C, H, W)``.
            multiplicity: ``(B, N)`` how often each entry stands in the queue; equal entries need to
                be computed only once. 0 leaves an entry out. All ones by default.

        Returns:
            ``(B, C, H, W)``.
        """
        flat = correlations.flatten(0, 1)
        # Not unflatten: an exported graph would keep the sizes it was traced with.
        confidence = (
            self.confidence(flat).clamp(max=self.max_confidence).reshape(correlations.shape)
        )
        value = self.value(flat).reshape(correlations.shape)
        if multiplicity is not None:
            confidence = confidence + multiplicity.to(confidence).log()[:, :, None, None, None]
        return (torch.softmax(confidence, dim=1) * value).sum(dim=1)
