"""Masks of a Siamese tracker: one small mask for each cell, and its refinement with the backbone's
early features.

The mask of a cell covers a window as large as the template crop (127 px), centred on the cell.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn import functional as F

from usot_plugin.models.layers.depthwise_branch import DepthwiseBranch
from usot_plugin.models.task_modules.grid import CellGrid
from usot_plugin.registry import MODELS

#: Side of a cell's window in pixels of the search crop.
WINDOW_PX = 127
#: Sides of the windows that :class:`SiamMaskRefiner` cuts from the first three stages, and the
#: stages' cells per response cell.
REFINER_WINDOWS = ((61, 4), (31, 2), (15, 1))


def cut_windows(
    maps: Tensor, images: Tensor, rows: Tensor, columns: Tensor, side: int, step: int, margin: int
) -> Tensor:
    """Square windows of maps, zero outside.

    Args:
        maps: ``(B, C, H, W)``.
        images: ``(P,)`` int64, which map a window is cut from.
        rows, columns: ``(P,)`` int64, cells.
        side: Side of a window.
        step: Map pixels per cell.
        margin: The window of cell 0 begins this far outside the map.

    Returns:
        ``(P, C, side, side)``.
    """
    padded = F.pad(maps, [margin] * 4)
    along = torch.arange(side, device=maps.device)
    y = (step * rows)[:, None] + along
    x = (step * columns)[:, None] + along
    return padded[images[:, None, None], :, y[:, :, None], x[:, None, :]].movedim(-1, 1)


def mask_windows(
    masks: Tensor, images: Tensor, rows: Tensor, columns: Tensor, stride: int = 8
) -> Tensor:
    """What the masks of cells are asked for, ``(P, 127, 127)`` bool, from target masks ``(B, S,
    S)`` of the search crop.

    Reference:
        SiamMask (arXiv:1812.05050), Sec. 3.1.
    """
    cells = CellGrid(stride).response_cells(masks.shape[-1])
    first = masks.shape[-1] / 2 - stride * (cells - 1) / 2 - WINDOW_PX / 2
    return (
        cut_windows(
            masks[:, None].float(), images, rows, columns, WINDOW_PX, stride, round(-first)
        )[:, 0]
        > 0
    )


@MODELS.register_module()
class SiamMaskHead(BaseModule):
    """Mask logits of every cell, computed only where they are asked for.

    Args:
        in_channels: Channels of the (last) feature level; the correlation has as many.
        size: Side of a mask.

    Reference:
        SiamMask (arXiv:1812.05050), Sec. 3.2; CycleSiam, Fig. 2.
    """

    def __init__(
        self, in_channels: int = 256, size: int = 63, init_cfg: dict | None = None
    ) -> None:
        super().__init__(init_cfg)
        self.size = size
        self.branch = DepthwiseBranch(in_channels, in_channels, size**2)

    def encode_template(self, level: Tensor) -> Tensor:
        """Kernel of 7x7 template features ``(B, C, 7, 7)``."""
        return self.branch.template(level)

    def correlate(self, kernel: Tensor, level: Tensor) -> Tensor:
        """Correlation ``(B, C, h, w)`` that both the masks and their refinement start from."""
        return self.branch.correlate(kernel, level)

    def masks_at(
        self, correlation: Tensor, images: Tensor, rows: Tensor, columns: Tensor
    ) -> Tensor:
        """Logits ``(P, size, size)`` of the cells ``rows``, ``columns`` of ``images``, each
        ``(P,)`` int64."""
        # All cells go through batch norm, so that its statistics do not depend on the choice of
        # cells; the wide output does not.
        hidden = self.branch.hidden(correlation)[images, :, rows, columns]
        return self.branch.output(hidden[..., None, None]).unflatten(1, (self.size, self.size))[
            ..., 0, 0
        ]


@MODELS.register_module()
class SiamMaskRefiner(BaseModule):
    """Masks of 127x127 px, the correlation of a cell merged with the backbone's first stages from
    coarse to fine.

    Args:
        stage_channels: Channels of stem, stage 1 and stage 2 of the backbone.
        in_channels: Channels of the mask head's correlation.

    Reference:
        SiamMask (arXiv:1812.05050), Sec. 3.2 "mask refinement" and Fig. 8.
    """

    def __init__(
        self,
        stage_channels: Sequence[int] = (64, 256, 512),
        in_channels: int = 256,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        widths = ((16, 4), (64, 16), (128, 32))
        self.side = nn.ModuleList(
            _two_convs(c, *pair) for c, pair in zip(stage_channels, widths, strict=True)
        )
        self.main = nn.ModuleList(_two_convs(last, last, last) for _, last in widths)
        self.start = nn.ConvTranspose2d(in_channels, widths[2][1], 15, 15)
        self.merge = nn.ModuleList(
            nn.Conv2d(c, out, 3, padding=1) for c, out in ((4, 1), (16, 4), (32, 16))
        )

    def forward(
        self,
        stages: Sequence[Tensor],
        correlation: Tensor,
        images: Tensor,
        rows: Tensor,
        columns: Tensor,
    ) -> Tensor:
        """Logits ``(P, 127, 127)`` of cells; arguments as of :meth:`SiamMaskHead.masks_at`,
        ``stages`` from fine to coarse."""
        out = self.start(correlation[images, :, rows, columns][..., None, None])
        sizes = (WINDOW_PX, REFINER_WINDOWS[0][0], REFINER_WINDOWS[1][0])
        for at in (2, 1, 0):
            side, step = REFINER_WINDOWS[at]
            window = cut_windows(stages[at], images, rows, columns, side, step, margin=4 * step)
            merged = self.main[at](out) + self.side[at](window)
            out = self.merge[at](F.interpolate(merged, size=(sizes[at], sizes[at]), mode='nearest'))
        return out[:, 0]


def _two_convs(in_channels: int, middle: int, out_channels: int) -> nn.Sequential:
    """Two padded 3x3 convolutions with ReLU."""
    first = nn.Conv2d(in_channels, middle, 3, padding=1)
    second = nn.Conv2d(middle, out_channels, 3, padding=1)
    return nn.Sequential(first, nn.ReLU(inplace=True), second, nn.ReLU(inplace=True))
