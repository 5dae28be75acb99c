"""An anchor-free head on the cosine of every search cell with every part of the template."""

from __future__ import annotations

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn import functional as F

from usot_plugin.registry import MODELS

from .anchor_free import HeadCodes, half_sides

#: Side of the pooled template, and cells that the response map is smaller than the search features.
TEMPLATE_CELLS = 7


def _separable(in_channels: int, out_channels: int, kernel: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(
            in_channels, in_channels, kernel, padding=kernel // 2, groups=in_channels, bias=False
        ),
        nn.Conv2d(in_channels, out_channels, 1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    )


class _Branch(nn.Module):
    """Similarities, and what else is known of the search area, to a map of ``width`` channels."""

    def __init__(
        self, channels: int, groups: int, width: int, depth: int, with_search: bool
    ) -> None:
        super().__init__()
        self.groups, self.with_search = groups, with_search
        self.template = nn.Conv2d(channels, channels, 1)
        self.search = nn.Conv2d(channels, channels, 1)
        maps = groups * TEMPLATE_CELLS**2 + (2 * channels if with_search else 0)
        self.mix = nn.Sequential(
            nn.Conv2d(maps, width, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True)
        )
        self.tower = nn.ModuleList(_separable(width, width, 5) for _ in range(depth))

    def forward(self, search: Tensor, template: Tensor) -> Tensor:
        batch, channels, height, width = search.shape
        parts = channels // self.groups
        area = F.normalize(search.reshape(batch, self.groups, parts, height * width).float(), dim=2)
        kernel = F.normalize(
            template.reshape(batch, self.groups, parts, TEMPLATE_CELLS**2).float(), dim=2
        )
        cosine = (kernel.transpose(2, 3) @ area).reshape(
            batch, self.groups * TEMPLATE_CELLS**2, height, width
        )
        maps = [cosine.to(search.dtype)]
        if self.with_search:
            # The mean of the template's middle says which channels of the search area matter.
            maps += [search, search * template[:, :, 2:5, 2:5].mean((2, 3), keepdim=True)]
        out = self.mix(torch.cat(maps, 1))
        for layer in self.tower:
            out = out + layer(out)
        cut = TEMPLATE_CELLS // 2
        return out[:, :, cut : height - cut, cut : width - cut]


@MODELS.register_module()
class PixelwiseHead(BaseModule):
    """Classification and box regression from pixel-wise correlation.

    Each cell of the search area is compared with each of the template's 7x7 parts; the towers see
    these cosines, so they learn where the parts of a box lie and little of what the training clips
    look like. Boxes are predicted as factors on the template's own sides, which travel with its
    codes: a target that keeps its shape needs no regression at all.

    It keeps the contract of :class:`AnchorFreeHead`, without memory branch.

    Args:
        channels: Channels of the neck.
        groups: Parts of the channels that are compared apart; their similarities stand side by
            side.
        width: Channels of the towers.
        depth: Residual separable 5x5 blocks of each tower.
        with_search: Let the towers see the search features, and the same weighted by the template,
            besides the cosines.
        loss_cls: Config of the classification loss; balanced BCE by default.
        loss_reg: Config of the box loss; IoU loss on distances by default.

    Raises:
        ValueError: The channels cannot be divided into the groups.

    Reference:
        Alpha-Refine (arXiv:2012.06815), Sec. 3.2, for the pixel-wise correlation.
    """

    #: This head is given the sides of the template's box (:meth:`encode_template`).
    wants_box_size = True
    memory = None

    def __init__(
        self,
        channels: int = 96,
        groups: int = 4,
        width: int = 96,
        depth: int = 4,
        with_search: bool = True,
        loss_cls: dict | None = None,
        loss_reg: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if channels % groups:
            raise ValueError(
                f'PixelwiseHead: {channels} channels cannot be divided into {groups} groups'
            )
        self.cls = _Branch(channels, groups, width, depth, with_search)
        self.reg = _Branch(channels, groups, width, depth, with_search)
        self.cls_conv = nn.Conv2d(width, 1, 3, padding=1)
        self.reg_conv = nn.Conv2d(width, 4, 3, padding=1)
        # Boxes start with the template's size, scores near 0.05, as is usual with focal losses.
        for conv, start in ((self.reg_conv, 0.0), (self.cls_conv, -3.0)):
            assert conv.bias is not None
            nn.init.normal_(conv.weight, std=0.01)
            nn.init.constant_(conv.bias, start)
        self.loss_cls = MODELS.build(loss_cls or dict(type='BalancedBCELoss'))
        self.loss_reg = MODELS.build(loss_reg or dict(type='LTRBIoULoss'))

    def encode_template(self, features: Tensor, sides: Tensor) -> HeadCodes:
        """Codes of pooled template features ``(B, C, 7, 7)`` and of the sides ``(B, 2)`` of their
        boxes, pixels of the crop."""
        return HeadCodes(
            [self.cls.template(features)], [self.reg.template(features), half_sides(sides)]
        )

    def encode_search(self, features: Tensor) -> HeadCodes:
        """Codes of search features ``(B, C, H, W)``."""
        return HeadCodes([self.cls.search(features)], [self.reg.search(features)])

    def predict(self, search: HeadCodes, template: HeadCodes) -> tuple[Tensor, Tensor]:
        """Logits ``(B, 1, h, w)`` and distances l, t, r, b ``(B, 4, h, w)`` in pixels of the
        crop."""
        assert search.reg is not None and template.reg is not None
        logits = self.cls_conv(self.cls(search.cls[0], template.cls[0]))
        factors = self.reg_conv(self.reg(search.reg[0], template.reg[0])).float()
        return logits, torch.exp(factors.clamp(-6, 4)) * template.reg[1].float()
