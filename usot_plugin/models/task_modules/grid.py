"""Where the cells of the maps sit in a crop, and what is asked of each of them.

A crop of ``S`` pixels gives ``(S - 7) // 8`` feature cells; cell ``k`` sits at pixel ``8 k + 7``.
The response map is six cells smaller (7x7 templates), so that its cell ``i`` sits at pixel ``8 i +
31``: the centre of the crop is its centre.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class CellGrid:
    """Pixel coordinates of the cells of a square response map.

    Args:
        stride: Pixels per cell.
        feature_offset: Pixel of feature cell 0.
        kernel_cells: Side of the template in feature cells.
        legacy_axis: Express boxes to be pooled from search features on the response axis, as the
            USOT release does, although the feature map has six cells more: pooling is then shifted
            by three cells. Published weights need it.
    """

    stride: int = 8
    feature_offset: int = 7
    kernel_cells: int = 7
    legacy_axis: bool = False

    @property
    def response_offset(self) -> float:
        """Pixel of response cell 0."""
        return self.feature_offset + self.stride * (self.kernel_cells - 1) / 2

    def response_cells(self, crop_px: int) -> int:
        """Side of the response map of a crop."""
        return self.feature_cells(crop_px) - self.kernel_cells + 1

    def feature_cells(self, crop_px: int) -> int:
        """Side of the feature map of a crop."""
        return (crop_px - self.feature_offset) // self.stride

    def centres(self, cells: int, like: Tensor) -> Tensor:
        """Pixels of the response cells along one axis, ``(cells,)``, in the dtype and on the device
        of ``like``."""
        return (
            self.stride * torch.arange(cells, dtype=like.dtype, device=like.device)
            + self.response_offset
        )

    def template_box_to_cells(self, boxes_xyxy: Tensor, crop_px: int) -> Tensor:
        """Boxes ``(B, 4)`` in template-crop pixels to feature cells, clipped to the map."""
        return ((boxes_xyxy - self.feature_offset) / self.stride).clamp(
            0, self.feature_cells(crop_px) - 1
        )

    def search_box_to_cells(
        self, boxes_xyxy: Tensor, crop_px: int, margin_cells: float = 0.0
    ) -> Tensor:
        """Boxes ``(B, 4)`` in search-crop pixels to the coordinates that search features are pooled
        at.

        Args:
            boxes_xyxy: ``(..., 4)``.
            crop_px: Side of the search crop.
            margin_cells: How far outside the map a box may reach; the map is zero there.
        """
        if self.legacy_axis:
            offset, cells = self.response_offset, self.response_cells(crop_px)
        else:
            offset, cells = self.feature_offset, self.feature_cells(crop_px)
        return ((boxes_xyxy - offset) / self.stride).clamp(-margin_cells, cells - 1 + margin_cells)


def ltrb_to_boxes(ltrb: Tensor, grid: CellGrid) -> Tensor:
    """Distances of every response cell to boxes.

    Args:
        ltrb: ``(B, 4, h, w)`` pixels.
        grid: Where the cells sit.

    Returns:
        ``(B, 4, h, w)`` x1, y1, x2, y2 in crop pixels.
    """
    x = grid.centres(ltrb.shape[3], ltrb)[None, None, :]
    y = grid.centres(ltrb.shape[2], ltrb)[None, :, None]
    left, top, right, bottom = ltrb.unbind(1)
    return torch.stack([x - left, y - top, x + right, y + bottom], dim=1)


def class_labels(
    boxes_xyxy: Tensor,
    cells: int,
    crop_px: int,
    grid: CellGrid,
    radius_cells: int = 2,
    rounding: str = 'truncate',
) -> Tensor:
    """1 on a diamond of cells around the target's centre, 0 elsewhere.

    Args:
        boxes_xyxy: Pseudo boxes ``(B, 4)`` in search-crop pixels.
        cells: Side of the response map.
        crop_px: Side of the search crop.
        grid: Where the cells sit.
        radius_cells: City-block radius of the diamond.
        rounding: ``'truncate'`` the offset from the crop's centre towards zero (the release), or
            take the ``'nearest'`` cell.

    Returns:
        ``(B, cells, cells)`` float, rows are y.

    Raises:
        ValueError: Unknown ``rounding``.
    """
    centre_px = (crop_px - 1) / 2
    offset = ((boxes_xyxy[:, :2] + boxes_xyxy[:, 2:]) / 2 - centre_px) / grid.stride
    if rounding not in ('truncate', 'nearest'):
        raise ValueError(f"rounding is 'truncate' or 'nearest', got {rounding!r}")
    centre = (offset.trunc() if rounding == 'truncate' else offset.round()) + (cells - 1) // 2
    axis = torch.arange(cells, device=boxes_xyxy.device, dtype=boxes_xyxy.dtype)
    distance_x = (axis - centre[:, :1]).abs()
    distance_y = (axis - centre[:, 1:]).abs()
    return ((distance_y[:, :, None] + distance_x[:, None, :]) <= radius_cells).to(boxes_xyxy.dtype)


def regression_targets(boxes_xyxy: Tensor, cells: int, grid: CellGrid) -> tuple[Tensor, Tensor]:
    """Distances l, t, r, b of every cell to the pseudo box, and the cells that lie inside it.

    Args:
        boxes_xyxy: ``(B, 4)`` in search-crop pixels.
        cells: Side of the response map.
        grid: Where the cells sit.

    Returns:
        Distances ``(B, 4, cells, cells)`` in pixels and a bool mask ``(B, cells, cells)``.
    """
    axis = grid.centres(cells, boxes_xyxy)
    x1, y1, x2, y2 = boxes_xyxy.unbind(1)
    left, right = axis - x1[:, None], x2[:, None] - axis
    top, bottom = axis - y1[:, None], y2[:, None] - axis
    across = [side[:, None, :].expand(-1, cells, -1) for side in (left, right)]
    down = [side[:, :, None].expand(-1, -1, cells) for side in (top, bottom)]
    ltrb = torch.stack([across[0], down[0], across[1], down[1]], dim=1)
    return ltrb, (ltrb > 0).all(dim=1)
