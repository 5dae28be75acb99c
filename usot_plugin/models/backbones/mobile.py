"""Mobile backbones with the names and shapes of their public ImageNet weights; they give several
maps, for :class:`HostBackbone`."""

from __future__ import annotations

from collections.abc import Sequence

from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn import functional as F

from usot_plugin.registry import MODELS
from usot_plugin.utils.checkpoint import check_pretrained

#: MobileNetV2's stages: expansion, channels, blocks, stride.
MOBILENET_STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
#: EfficientNet-Lite0's stages: expansion, channels, blocks, stride, kernel.
LITE0_STAGES = (
    (1, 16, 1, 1, 3),
    (6, 24, 2, 2, 3),
    (6, 40, 2, 2, 5),
    (6, 80, 3, 2, 3),
    (6, 112, 3, 1, 5),
    (6, 192, 4, 2, 5),
    (6, 320, 1, 1, 3),
)


class MobileBackbone(BaseModule):
    """Base of both networks: checks which blocks are asked for, and loads no weights of another
    network."""

    def __init__(self, outputs: Sequence[int], blocks: int, init_cfg: dict | None) -> None:
        super().__init__(init_cfg)
        if (
            not outputs
            or list(outputs) != sorted(set(outputs))
            or not 0 <= outputs[0] <= outputs[-1] < blocks
        ):
            raise ValueError(
                f'{type(self).__name__}: outputs are ascending block numbers in 0..{blocks - 1}, '
                f'got {list(outputs)}'
            )
        self.outputs = tuple(outputs)

    def init_weights(self) -> None:
        """MMEngine's initialisation; a pretrained file that lacks weights of this network is
        refused.

        Raises:
            CheckpointError: The file cannot be read, or belongs to another network.
        """
        if not self.is_init:
            check_pretrained(self, self.init_cfg)
        super().init_weights()

    def _collect(self, blocks: nn.ModuleList | nn.Sequential, x: Tensor) -> list[Tensor]:
        found = []
        for number, block in enumerate(blocks):
            x = block(x)
            if number in self.outputs:
                found.append(x)
        return found


def _conv_bn6(
    in_channels: int, out_channels: int, kernel: int, stride: int = 1, groups: int = 1
) -> list[nn.Module]:
    conv = nn.Conv2d(
        in_channels, out_channels, kernel, stride, kernel // 2, groups=groups, bias=False
    )
    return [conv, nn.BatchNorm2d(out_channels), nn.ReLU6(inplace=True)]


class InvertedResidual(nn.Module):
    """1x1 expansion, 3x3 depth-wise, linear 1x1; children of ``conv`` are numbered as in the public
    weights."""

    def __init__(self, in_channels: int, out_channels: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = in_channels * expansion
        layers = _conv_bn6(in_channels, hidden, 1) if expansion > 1 else []
        layers += _conv_bn6(hidden, hidden, 3, stride, groups=hidden)
        layers += [nn.Conv2d(hidden, out_channels, 1, bias=False), nn.BatchNorm2d(out_channels)]
        self.conv = nn.Sequential(*layers)
        self.adds = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        """``(B, C, H, W)`` to ``(B, C', H', W')``."""
        return x + self.conv(x) if self.adds else self.conv(x)


@MODELS.register_module()
class MobileNetV2Backbone(MobileBackbone):
    """MobileNetV2 of width 1 up to the last block that is asked for.

    Block 0 is the stem. Of stride 8 are blocks 4 to 6 (32 channels), of stride 16 blocks 7 to 13
    (64 channels, from 11 on 96), of stride 32 blocks 14 to 17. Padding is symmetric: cell 0 sits at
    pixel 0, ``cells='padded'`` of :class:`HostBackbone`. The public weights want RGB with
    ImageNet's mean and standard deviation. Their file is ``tools/fetch_backbone.py mobilenetv2``.

    Args:
        outputs: Blocks whose maps are given, ascending.
        init_cfg: MMEngine's weight initialisation.

    Raises:
        ValueError: No such block.

    Reference:
        MobileNetV2 (arXiv:1801.04381), Table 2.
    """

    def __init__(self, outputs: Sequence[int] = (6, 13), init_cfg: dict | None = None) -> None:
        plan = [(3, 32, 2, 0)]
        for expansion, channels, count, stride in MOBILENET_STAGES:
            plan += [
                (plan[-1][1] if i == 0 else channels, channels, stride if i == 0 else 1, expansion)
                for i in range(count)
            ]
        super().__init__(outputs, len(plan), init_cfg)
        self.features = nn.Sequential(nn.Sequential(*_conv_bn6(3, 32, 3, 2)))
        for block in plan[1 : self.outputs[-1] + 1]:
            self.features.append(InvertedResidual(*block))

    def forward(self, images: Tensor) -> list[Tensor]:
        """Images ``(B, 3, H, W)`` to the map of each output."""
        return self._collect(self.features, images)


class SamePadConv(nn.Conv2d):
    """Convolution padded as TensorFlow pads an even side: where it strides, one pixel more on the
    right and below.

    So that cells lie on the same pixels in a picture of any size; TensorFlow pads odd sides evenly.
    """

    def forward(self, x: Tensor) -> Tensor:
        """``(B, C, H, W)`` to ``(B, C', H', W')``."""
        total = self.kernel_size[0] - self.stride[0]
        if total > 0:
            x = F.pad(x, (total // 2, total - total // 2) * 2)
        return super().forward(x)


class LiteBlock(nn.Module):
    """EfficientNet-Lite's inverted residual: no squeeze and excitation, ReLU6; names of the public
    PyTorch weights."""

    def __init__(
        self, in_channels: int, out_channels: int, stride: int, expansion: int, kernel: int
    ) -> None:
        super().__init__()
        hidden = in_channels * expansion
        if expansion > 1:
            self._expand_conv = nn.Conv2d(in_channels, hidden, 1, bias=False)
            self._bn0 = nn.BatchNorm2d(hidden, eps=1e-3, momentum=0.01)
        self._depthwise_conv = SamePadConv(
            hidden, hidden, kernel, stride, groups=hidden, bias=False
        )
        self._bn1 = nn.BatchNorm2d(hidden, eps=1e-3, momentum=0.01)
        self._project_conv = nn.Conv2d(hidden, out_channels, 1, bias=False)
        self._bn2 = nn.BatchNorm2d(out_channels, eps=1e-3, momentum=0.01)
        self.expands, self.adds = expansion > 1, stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        """``(B, C, H, W)`` to ``(B, C', H', W')``."""
        out = F.relu6(self._bn0(self._expand_conv(x))) if self.expands else x
        out = F.relu6(self._bn1(self._depthwise_conv(out)))
        out = self._bn2(self._project_conv(out))
        return out + x if self.adds else out


@MODELS.register_module()
class EfficientNetLite0Backbone(MobileBackbone):
    """EfficientNet-Lite0 up to the last block that is asked for.

    Of stride 8 are blocks 3 and 4 (40 channels), of stride 16 blocks 5 to 10 (80 channels, from 8
    on 112), of stride 32 blocks 11 to 15. Cell 0 of a map of stride ``s`` sits at pixel ``s - 1``,
    ``cells='same'`` of :class:`HostBackbone`: at stride 8 these are the cells of
    :class:`SiameseResNet`. The public weights want RGB with ImageNet's mean and standard deviation.
    Their file is ``tools/fetch_backbone.py efficientnet_lite0``.

    Args:
        outputs: Blocks whose maps are given, ascending.
        init_cfg: MMEngine's weight initialisation.

    Raises:
        ValueError: No such block.

    Reference:
        EfficientNet (arXiv:1905.11946), Table 1, and the release of EfficientNet-Lite.
    """

    def __init__(self, outputs: Sequence[int] = (4, 10), init_cfg: dict | None = None) -> None:
        plan: list[tuple[int, int, int, int, int]] = []
        for expansion, channels, count, stride, kernel in LITE0_STAGES:
            for i in range(count):
                before = plan[-1][1] if plan else 32
                plan.append((before, channels, stride if i == 0 else 1, expansion, kernel))
        super().__init__(outputs, len(plan), init_cfg)
        self._conv_stem = SamePadConv(3, 32, 3, 2, bias=False)
        self._bn0 = nn.BatchNorm2d(32, eps=1e-3, momentum=0.01)
        self._blocks = nn.ModuleList(LiteBlock(*block) for block in plan[: self.outputs[-1] + 1])

    def forward(self, images: Tensor) -> list[Tensor]:
        """Images ``(B, 3, H, W)`` to the map of each output."""
        return self._collect(self._blocks, F.relu6(self._bn0(self._conv_stem(images))))
