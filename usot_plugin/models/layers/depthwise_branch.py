"""One branch of a Siamese head: both sides encoded, correlated channel by channel, mapped to
outputs."""

from __future__ import annotations

from torch import Tensor, nn

from .blocks import conv_bn
from .correlation import correlate_depthwise


class DepthwiseBranch(nn.Module):
    """Unpadded 3x3 encoders of template and search area, depth-wise correlation, two 1x1
    convolutions.

    Args:
        in_channels: Channels of the features.
        hidden_channels: Channels of the correlation.
        out_channels: Outputs of each cell.

    Reference:
        SiamRPN++ (arXiv:1812.11703), Sec. 3.4 and Fig. 4c.
    """

    def __init__(self, in_channels: int, hidden_channels: int, out_channels: int) -> None:
        super().__init__()
        self.template = conv_bn(in_channels, hidden_channels, 3)
        self.search = conv_bn(in_channels, hidden_channels, 3)
        self.hidden = conv_bn(hidden_channels, hidden_channels, 1)
        self.output = nn.Conv2d(hidden_channels, out_channels, 1)

    def correlate(self, kernel: Tensor, features: Tensor) -> Tensor:
        """Correlation ``(B, hidden, H - 6, W - 6)`` of an encoded 7x7 template with search features
        ``(B, in, H, W)``."""
        return correlate_depthwise(self.search(features), kernel)

    def forward(self, kernel: Tensor, features: Tensor) -> Tensor:
        """Outputs ``(B, out, H - 6, W - 6)`` for ``kernel = self.template(template_features)``."""
        return self.output(self.hidden(self.correlate(kernel, features)))
