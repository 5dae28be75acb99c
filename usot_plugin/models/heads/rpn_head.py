"""Region proposal head of a Siamese tracker: a score and a box for each anchor of each cell."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from usot_plugin.models.layers.depthwise_branch import DepthwiseBranch
from usot_plugin.registry import MODELS

#: Encoded template of one level: kernels of the score and of the box branch.
LevelKernels = tuple[Tensor, Tensor]


@MODELS.register_module()
class SiamRPNHead(BaseModule):
    """Scores and boxes by depth-wise correlation, from one feature level or averaged over several
    with learned weights.

    Args:
        in_channels: Channels of each level; the correlation has as many.
        anchors: Anchors of a cell, ``k``.

    Reference:
        SiamRPN++ (arXiv:1812.11703), Sec. 3.3 (levels) and 3.4 (correlation).
    """

    def __init__(
        self, in_channels: Sequence[int] | int = 256, anchors: int = 5, init_cfg: dict | None = None
    ) -> None:
        super().__init__(init_cfg)
        channels = [in_channels] if isinstance(in_channels, int) else list(in_channels)
        self.cls = nn.ModuleList(DepthwiseBranch(width, width, 2 * anchors) for width in channels)
        self.loc = nn.ModuleList(DepthwiseBranch(width, width, 4 * anchors) for width in channels)
        self.anchors = anchors
        if len(channels) > 1:
            self.cls_weight = nn.Parameter(torch.ones(len(channels)))
            self.loc_weight = nn.Parameter(torch.ones(len(channels)))

    def encode_template(self, levels: Sequence[Tensor]) -> list[LevelKernels]:
        """Kernels of 7x7 template features, a level ``(B, C, 7, 7)``."""
        kernels = []
        for cls, loc, level in zip(self.cls, self.loc, levels, strict=True):
            assert isinstance(cls, DepthwiseBranch) and isinstance(loc, DepthwiseBranch)
            kernels.append((cls.template(level), loc.template(level)))
        return kernels

    def predict(
        self, kernels: Sequence[LevelKernels], levels: Sequence[Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Score logits ``(B, 2, k, h, w)``, background first, and box codes ``(B, 4, k, h, w)``.

        Args:
            kernels: Of :meth:`encode_template`.
            levels: Search features, a level ``(B, C, h + 6, w + 6)``.
        """
        parts = list(zip(self.cls, self.loc, kernels, levels, strict=True))
        logits = [cls(kernel[0], level) for cls, _, kernel, level in parts]
        codes = [loc(kernel[1], level) for _, loc, kernel, level in parts]
        if len(parts) == 1:
            return logits[0].unflatten(1, (2, self.anchors)), codes[0].unflatten(
                1, (4, self.anchors)
            )
        return (
            _weighted(logits, self.cls_weight).unflatten(1, (2, self.anchors)),
            _weighted(codes, self.loc_weight).unflatten(1, (4, self.anchors)),
        )


def _weighted(maps: Sequence[Tensor], weight: Tensor) -> Tensor:
    shares = weight.softmax(0)
    return torch.stack([share * level for share, level in zip(shares, maps, strict=True)]).sum(0)
