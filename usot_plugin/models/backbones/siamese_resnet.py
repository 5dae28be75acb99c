"""ResNet to stage 3 at stride 8, cut so that the cells of template and search line up."""

from __future__ import annotations

from collections.abc import Sequence

from mmengine.model import BaseModule
from torch import Tensor, nn

from usot_plugin.registry import MODELS
from usot_plugin.utils.checkpoint import check_pretrained


def _shortcut(
    in_channels: int, out_channels: int, stride: int, dilation: int
) -> nn.Sequential | None:
    """Projection of the first block of a stage: 1x1 in stage 1, 3x3 where the stage strides or
    dilates."""
    if stride == 1 and dilation == 1:
        conv = nn.Conv2d(in_channels, out_channels, 1, bias=False)
    else:
        # A strided stage is not padded (the map shrinks as its 3x3 does); a dilated stage starts
        # undilated and padded.
        conv = nn.Conv2d(
            in_channels, out_channels, 3, stride=stride, padding=0 if stride > 1 else 1, bias=False
        )
    return nn.Sequential(conv, nn.BatchNorm2d(out_channels))


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 residual block, torchvision's names."""

    expansion = 4

    def __init__(
        self,
        in_channels: int,
        width: int,
        stride: int,
        padding: int,
        dilation: int,
        downsample: nn.Module | None,
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(
            width, width, 3, stride=stride, padding=padding, dilation=dilation, bias=False
        )
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, width * self.expansion, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(width * self.expansion)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = downsample

    def residual_sum(self, x: Tensor) -> Tensor:
        """The unit's output before its last ReLU."""
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        return out + (x if self.downsample is None else self.downsample(x))

    def forward(self, x: Tensor) -> Tensor:
        """``(B, C, H, W)`` to ``(B, 4 * width, H', W')``."""
        return self.relu(self.residual_sum(x))


class BasicBlock(nn.Module):
    """Two 3x3 convs with a residual, torchvision's names."""

    expansion = 1

    def __init__(
        self,
        in_channels: int,
        width: int,
        stride: int,
        padding: int,
        dilation: int,
        downsample: nn.Module | None,
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(
            in_channels, width, 3, stride=stride, padding=padding, dilation=dilation, bias=False
        )
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = downsample

    def forward(self, x: Tensor) -> Tensor:
        """``(B, C, H, W)`` to ``(B, width, H', W')``."""
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        return self.relu(out + (x if self.downsample is None else self.downsample(x)))


BLOCKS: dict[str, type[Bottleneck] | type[BasicBlock]] = {
    'bottleneck': Bottleneck,
    'basic': BasicBlock,
}


@MODELS.register_module()
class SiameseResNet(BaseModule):
    """ResNet whose third stage is dilated instead of strided.

    The 7x7 stem and the strided stage are not padded, so that cell ``k`` of the output sits at
    image pixel ``8 k + 7`` in a crop of any
    size: 127 px give 15x15 cells, 255 px 31x31, 271 px 33x33.

    Args:
        blocks: ``'bottleneck'`` (ResNet-50 and deeper) or ``'basic'``.
        stage_blocks: Number of blocks of the three stages; ``(3, 4, 6)`` is ResNet-50.
        base_channels: Width of the stem and of the first stage; 64 in ResNet-50.
        init_cfg: MMEngine's weight initialisation, e.g. a converted MoCo-v2 checkpoint.

    Reference:
        SiamMask's and Ocean's dilated ResNet-50, as the USOT release uses it.
    """

    #: Input pixels per output cell.
    stride = 8
    #: Pixel of cell 0.
    offset = 7

    def __init__(
        self,
        blocks: str = 'bottleneck',
        stage_blocks: Sequence[int] = (3, 4, 6),
        base_channels: int = 64,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if blocks not in BLOCKS:
            raise ValueError(f'blocks must be one of {sorted(BLOCKS)}, got {blocks!r}')
        if len(stage_blocks) != 3:
            raise ValueError(f'stage_blocks holds three numbers, got {tuple(stage_blocks)}')
        block = BLOCKS[blocks]
        self.conv1 = nn.Conv2d(3, base_channels, 7, stride=2, padding=0, bias=False)
        self.bn1 = nn.BatchNorm2d(base_channels)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        channels = base_channels
        for index, (count, stride, dilation) in enumerate(
            zip(stage_blocks, (1, 2, 1), (1, 1, 2), strict=True)
        ):
            stage, channels = self._make_stage(
                block, channels, base_channels * 2**index, count, stride, dilation
            )
            setattr(self, f'layer{index + 1}', stage)
        self.out_channels = channels
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode='fan_out', nonlinearity='relu')

    def init_weights(self) -> None:
        """MMEngine's initialisation; a pretrained file that lacks weights of this network is
        refused.

        Raises:
            CheckpointError: The file cannot be read, or belongs to another network.
        """
        if not self.is_init:
            check_pretrained(self, self.init_cfg)
        super().init_weights()

    @staticmethod
    def _make_stage(
        block, in_channels: int, width: int, count: int, stride: int, dilation: int
    ) -> tuple[nn.Sequential, int]:
        out_channels = width * block.expansion
        blocks = []
        for number in range(count):
            first = number == 0
            needs_projection = first and (stride > 1 or dilation > 1 or in_channels != out_channels)
            shortcut = (
                _shortcut(in_channels, out_channels, stride, dilation) if needs_projection else None
            )
            block_dilation = 1 if first else dilation
            block_stride = stride if first else 1
            padding = 0 if block_stride > 1 else block_dilation
            blocks.append(
                block(in_channels, width, block_stride, padding, block_dilation, shortcut)
            )
            in_channels = out_channels
        return nn.Sequential(*blocks), out_channels

    def forward(self, images: Tensor) -> Tensor:
        """Images ``(B, 3, S, S)`` to features ``(B, C, (S - 7) // 8, (S - 7) // 8)``, C =
        :attr:`out_channels`."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        return self.layer3(self.layer2(self.layer1(x)))
