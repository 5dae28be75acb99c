"""SiameseResNet that shows its stages: early ones for mask refinement, several late ones for heads
with levels."""

from __future__ import annotations

from torch import Tensor, nn

from usot_plugin.registry import MODELS

from .siamese_resnet import BLOCKS, SiameseResNet


@MODELS.register_module()
class StagedSiameseResNet(SiameseResNet):
    """The maps of the stem and of every stage instead of the last one alone.

    Args:
        last_stage_blocks: Blocks of a fourth stage at dilation 4; 0 for none, as in SiamMask. 3 in
            ResNet-50.
        **kwargs: As :class:`SiameseResNet`; its weights fit here, and the other way round where
            there is no fourth stage.

    Reference:
        SiamRPN++ (arXiv:1812.11703), Sec. 3.3.
    """

    def __init__(self, last_stage_blocks: int = 0, **kwargs) -> None:
        super().__init__(**kwargs)
        channels, width = self.out_channels, kwargs.get('base_channels', 64) * 8
        block = BLOCKS[kwargs.get('blocks', 'bottleneck')]
        stage = []
        for number in range(last_stage_blocks):
            # The first block of a dilated stage has half its dilation, and a 3x3 shortcut.
            dilation = 2 if number == 0 else 4
            shortcut = None
            if number == 0:
                conv = nn.Conv2d(
                    channels, width * block.expansion, 3, padding=2, dilation=2, bias=False
                )
                shortcut = nn.Sequential(conv, nn.BatchNorm2d(width * block.expansion))
            stage.append(block(channels, width, 1, dilation, dilation, shortcut))
            channels = width * block.expansion
        self.layer4 = nn.Sequential(*stage) if stage else None
        self.out_channels = channels

    def forward(self, images: Tensor) -> list[Tensor]:  # type: ignore[override]  # heads read either form
        """Images ``(B, 3, S, S)`` to the stem at stride 2, stage 1 at stride 4, and stages 2, 3
        (and 4) at stride 8."""
        stem = self.relu(self.bn1(self.conv1(images)))
        maps = [stem, self.layer1(self.maxpool(stem))]
        for stage in (self.layer2, self.layer3, self.layer4):
            if stage is not None:
                maps.append(stage(maps[-1]))
        return maps
