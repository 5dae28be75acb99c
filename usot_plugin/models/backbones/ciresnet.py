"""SiamDW's crop-inside residual network: what padding touches is cut off inside every unit."""

from __future__ import annotations

from mmengine.model import BaseModule
from torch import Tensor, nn

from usot_plugin.registry import MODELS

from .siamese_resnet import Bottleneck


class CropInsideUnit(Bottleneck):
    """Bottleneck whose outermost cells, which have seen padding, are cut off after the addition.

    Args:
        in_channels: Channels of the input.
        width: Channels of the 3x3 convolution; four times as many leave the unit.
        last_relu: Whether a ReLU ends the unit; the network's last unit has none, so that responses
            may be negative.

    Reference:
        SiamDW (arXiv:1901.01660), Fig. 4 (a').
    """

    def __init__(self, in_channels: int, width: int, last_relu: bool = True) -> None:
        out_channels = width * self.expansion
        shortcut: nn.Module | None = None
        if in_channels != out_channels:
            shortcut = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, bias=False), nn.BatchNorm2d(out_channels)
            )
        super().__init__(in_channels, width, stride=1, padding=1, dilation=1, downsample=shortcut)
        self.last_relu = last_relu

    def forward(self, x: Tensor) -> Tensor:
        """``(B, C, H, W)`` to ``(B, 4 * width, H - 2, W - 2)``."""
        out = self.residual_sum(x)[:, :, 1:-1, 1:-1]
        return self.relu(out) if self.last_relu else out


@MODELS.register_module()
class CIResNet(BaseModule):
    """Residual network of crop-inside units at stride 8; CIResNet-22 by default.

    A crop of 127 px gives 5x5 cells, 239 px 19x19 and 255 px 21x21: sizes that leave 7 when divided
    by 8 keep the middle of the crop in the middle of the map. The receptive field is 93 px wide.
    Children are called as in torchvision, with the pooling of the second stage after its first
    unit.

    Args:
        stage_blocks: Units of the two stages.
        base_channels: Width of the stem and of the first stage; 64 in CIResNet-22.
        init_cfg: MMEngine weight initialisation.

    Reference:
        SiamDW (arXiv:1901.01660), Table 3 and Sec. 4.2.
    """

    stride = 8

    def __init__(
        self,
        stage_blocks: tuple[int, int] = (3, 4),
        base_channels: int = 64,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if len(stage_blocks) != 2 or min(stage_blocks) < 1 or base_channels < 1:
            raise ValueError(
                f'CIResNet: stage_blocks are two numbers above 0, got {tuple(stage_blocks)}, '
                f'{base_channels=}'
            )
        self.conv1 = nn.Conv2d(3, base_channels, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(base_channels)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(2, stride=2)
        first, second = stage_blocks
        inner = base_channels * CropInsideUnit.expansion
        outer = 2 * base_channels * CropInsideUnit.expansion
        self.layer1 = nn.Sequential(
            *(
                CropInsideUnit(inner if number else base_channels, base_channels)
                for number in range(first)
            )
        )
        units: list[nn.Module] = [
            CropInsideUnit(
                outer if number else inner, 2 * base_channels, last_relu=number < second - 1
            )
            for number in range(second)
        ]
        self.layer2 = nn.Sequential(units[0], nn.MaxPool2d(2, stride=2), *units[1:])
        self.out_channels = outer
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode='fan_out', nonlinearity='relu')

    def forward(self, crops: Tensor) -> Tensor:
        """Features ``(B, 8 * base_channels, h, w)`` of crops ``(B, 3, S, S)``."""
        stem = self.relu(self.bn1(self.conv1(crops)))[:, :, 2:-2, 2:-2]
        return self.layer2(self.layer1(self.maxpool(stem)))
