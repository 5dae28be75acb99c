"""Backbones of the host (``mmdet.ResNet``, ``mmdet.SwinTransformer``, ...) at stride 8, their cells
where the heads expect them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.model import BaseModule
from torch import Tensor
from torch.nn import functional as F

from usot_plugin.registry import MODELS

#: Side of the blank picture that strides and channels are measured on; a multiple of every stride
#: up to 128.
PROBE_PX = 128
#: Where cell 0 of a map of stride ``s`` sits in the picture, in pixels.
CELL_OFFSETS = {
    'padded': lambda stride: 0.0,
    'patches': lambda stride: (stride - 1) / 2,
    'same': lambda stride: stride - 1.0,
}


def resample_cells(features: Tensor, positions: Tensor) -> Tensor:
    """Features at fractional cells of both axes, interpolated bilinearly; a position outside takes
    the nearest cell.

    Args:
        features: ``(B, C, H, W)``.
        positions: ``(N,)`` in cells, the same for rows and columns.

    Returns:
        ``(B, C, N, N)``.
    """
    axes = []
    for cells in features.shape[2:]:
        at = positions.clamp(0, cells - 1)
        axes.append(
            (1 - (at[:, None] - torch.arange(cells, device=at.device)).abs())
            .clamp(min=0)
            .to(features.dtype)
        )
    return torch.einsum('nh,bchw,mw->bcnm', axes[0], features, axes[1])


@MODELS.register_module()
class HostBackbone(BaseModule):
    """Any convolutional or transformer backbone behind the geometry of :class:`SiameseResNet`.

    Cell ``k`` of the output sits at image pixel ``8 k + 7`` in a crop of any size, as heads, labels
    and trackers expect: 127 px give 15x15 cells, 255 px 31x31, 271 px 33x33. For that the picture
    gets a margin on the left and the top (its border pixels repeated), and maps whose cells still
    lie elsewhere - those of stride 4 or 16, or of patches, whose middle is between two pixels - are
    interpolated. Several maps are concatenated along their channels.

    A ResNet reaches stride 8 best by its own options, ``strides=(1, 2, 1), dilations=(1, 1, 2)``:
    nothing is interpolated then.

    Args:
        body: Config of the backbone; it gives one map or a sequence of maps. It is built in the
            config's default scope.
        outputs: Which of its maps to take.
        cells: ``'padded'``: convolutions with padding, cell 0 sits at pixel 0 (ResNet, ResNeXt,
            PVTv2). ``'patches'``: patches without overlap, cell 0 sits in the middle of the first
            one (Swin, PVT, ConvNeXt). ``'same'``: TensorFlow's padding of even sides, cell 0 sits
            at pixel ``stride - 1`` (EfficientNetLite0Backbone).

    Attributes:
        out_channels: Channels of the output; the neck's ``in_channels``.
        strides: Pixels per cell of each map that is taken, measured.

    Raises:
        ValueError: Unknown ``cells``, no such output, or a map whose stride is not a whole number
            of pixels.
    """

    #: Input pixels per output cell.
    stride = 8
    #: Pixel of cell 0.
    offset = 7

    def __init__(
        self,
        body: dict[str, Any],
        outputs: Sequence[int] = (-1,),
        cells: str = 'padded',
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if cells not in CELL_OFFSETS:
            raise ValueError(f'HostBackbone: cells is one of {sorted(CELL_OFFSETS)}, got {cells!r}')
        self.body = MODELS.build(body)
        self.outputs = tuple(outputs)
        maps = self._probe()
        self.out_channels = sum(found.shape[1] for found in maps)
        self.strides = tuple(self._stride(found) for found in maps)
        self.first_px = tuple(CELL_OFFSETS[cells](stride) for stride in self.strides)
        self.margin_px = int((self.first_px[0] - self.offset) % self.stride)

    def _maps(self, images: Tensor) -> list[Tensor]:
        found = self.body(images)
        found = [found] if isinstance(found, Tensor) else list(found)
        try:
            return [found[index] for index in self.outputs]
        except IndexError as error:
            raise ValueError(
                f'HostBackbone: {type(self.body).__name__} gives {len(found)} maps, outputs are '
                f'{self.outputs}'
            ) from error

    @torch.no_grad()
    def _probe(self) -> list[Tensor]:
        training = self.body.training
        self.body.eval()
        maps = self._maps(torch.zeros(1, 3, PROBE_PX, PROBE_PX))
        self.body.train(training)
        return maps

    def _stride(self, found: Tensor) -> int:
        cells = found.shape[-1]
        if PROBE_PX % cells:
            raise ValueError(
                f'HostBackbone: {type(self.body).__name__} makes {cells} cells of {PROBE_PX} px, '
                'which is no whole stride'
            )
        return PROBE_PX // cells

    def forward(self, images: Tensor) -> Tensor:
        """Images ``(B, 3, S, S)`` to features ``(B, C, (S - 7) // 8, (S - 7) // 8)``, C =
        :attr:`out_channels`."""
        cells = (images.shape[-1] - self.offset) // self.stride
        if self.margin_px:
            images = F.pad(images, (self.margin_px, 0, self.margin_px, 0), mode='replicate')
        taken = zip(self._maps(images), self.strides, self.first_px, strict=True)
        return torch.cat(
            [self._on_grid(found, cells, stride, first) for found, stride, first in taken], dim=1
        )

    def _on_grid(self, found: Tensor, cells: int, stride: int, first_px: float) -> Tensor:
        start = (self.offset + self.margin_px - first_px) / stride
        if stride == self.stride and start.is_integer():
            begin = int(start)
            return found[..., begin : begin + cells, begin : begin + cells]
        positions = start + torch.arange(cells, device=found.device, dtype=torch.float32) * (
            self.stride / stride
        )
        return resample_cells(found, positions)
