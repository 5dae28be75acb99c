"""SiamFC's AlexNet: five convolutions without padding, stride 8."""

from __future__ import annotations

from mmengine.model import BaseModule
from torch import Tensor, nn

from usot_plugin.registry import MODELS

#: Channels of the five layers at full width.
CHANNELS = (96, 256, 384, 384, 256)


@MODELS.register_module()
class SiamFCAlexNet(BaseModule):
    """AlexNet as SiamFC cuts it: no padding, batch norm, two groups in layers 2, 4 and 5, nothing
    after the last convolution.

    A crop of 127 px gives 6x6 cells, 239 px 20x20 and 255 px 22x22. Feature cell ``k`` looks at
    pixel ``8 k + 43`` (its receptive field is 87 px wide). Children are called ``conv1`` ...
    ``conv5``, as in the common PyTorch ports.

    Args:
        width: Factor on all channels; 1/8 or 1/4 learn on a CPU.
        init_cfg: MMEngine weight initialisation.

    Raises:
        ValueError: A layer would have an odd number of channels, or none.

    Reference:
        SiamFC (arXiv:1606.09549), Table 1.
    """

    stride = 8
    offset = 43

    def __init__(self, width: float = 1.0, init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        c1, c2, c3, c4, c5 = channels = [round(count * width) for count in CHANNELS]
        if min(channels) < 2 or any(count % 2 for count in channels):
            raise ValueError(
                f'SiamFCAlexNet: width {width} gives {channels} channels; two groups need even '
                'numbers'
            )
        self.out_channels = c5
        self.conv1 = _layer(3, c1, 11, stride=2, pool=True)
        self.conv2 = _layer(c1, c2, 5, groups=2, pool=True)
        self.conv3 = _layer(c2, c3, 3)
        self.conv4 = _layer(c3, c4, 3, groups=2)
        self.conv5 = nn.Sequential(nn.Conv2d(c4, c5, 3, groups=2))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode='fan_out', nonlinearity='relu')

    def forward(self, crops: Tensor) -> Tensor:
        """Features ``(B, C, h, w)`` of crops ``(B, 3, S, S)``; ``S`` is at least 87."""
        for layer in (self.conv1, self.conv2, self.conv3, self.conv4, self.conv5):
            crops = layer(crops)
        return crops


def _layer(
    in_channels: int,
    out_channels: int,
    kernel: int,
    stride: int = 1,
    groups: int = 1,
    pool: bool = False,
) -> nn.Sequential:
    """Convolution with bias, batch norm, ReLU and max pooling: children 0 and 1 hold the
    weights."""
    layers: list[nn.Module] = [
        nn.Conv2d(in_channels, out_channels, kernel, stride=stride, groups=groups),
        nn.BatchNorm2d(out_channels, eps=1e-6, momentum=0.05),
        nn.ReLU(inplace=True),
    ]
    if pool:
        layers.append(nn.MaxPool2d(3, stride=2))
    return nn.Sequential(*layers)
