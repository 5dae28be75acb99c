"""Anchor boxes of a response map: where they sit, which of them are positive, and how boxes are
coded against them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from usot_plugin.structures.boxes import cxcywh_to_xyxy, iou, xyxy_to_cxcywh

#: Largest change of a side that is decoded, ``exp`` of it: a diverged network must not overflow.
LARGEST_LOG_CHANGE = 8.0


@dataclass(frozen=True)
class AnchorGrid:
    """The same few boxes around every cell; the middle cell is the middle of the crop.

    Attributes:
        stride: Pixels of the search crop per cell.
        ratios: Height over width.
        scales: Sides in strides of an anchor of ratio 1.

    Raises:
        ValueError: No anchor, or one without area.
    """

    stride: int = 8
    ratios: Sequence[float] = (0.33, 0.5, 1, 2, 3)
    scales: Sequence[float] = (8,)

    def __post_init__(self) -> None:
        sizes = self.sizes_wh()
        if not sizes or min(min(size) for size in sizes) <= 0:
            raise ValueError(f'anchors need a positive stride, ratios and scales, got {self}')

    def sizes_wh(self) -> list[tuple[float, float]]:
        """Width and height in pixels of the anchors of a cell.

        They are whole multiples of the scale, cut towards zero as in the releases, whose weights
        count on it: ratio 0.33 at stride 8 and scale 8 is 104x32, not 111x37.
        """
        sizes = []
        for ratio in self.ratios:
            width = int((self.stride**2 / ratio) ** 0.5)
            height = int(width * ratio)
            sizes += [(width * scale, height * scale) for scale in self.scales]
        return sizes

    @property
    def count(self) -> int:
        """Anchors of a cell, ``k``."""
        return len(self.ratios) * len(self.scales)

    def axis(self, cells: int, crop_px: int, like: Tensor) -> Tensor:
        """Centres of the cells along one axis in pixels of the crop, ``(cells,)``."""
        steps = torch.arange(cells, dtype=like.dtype, device=like.device) - (cells - 1) / 2
        return crop_px / 2 + self.stride * steps

    def boxes(self, cells: int, crop_px: int, like: Tensor) -> Tensor:
        """All anchors as ``(k, cells, cells, 4)`` centre and size, in the dtype and on the device
        of ``like``."""
        axis = self.axis(cells, crop_px, like)
        y, x = torch.meshgrid(axis, axis, indexing='ij')
        sizes = torch.tensor(self.sizes_wh(), dtype=like.dtype, device=like.device)
        sizes = sizes[:, None, None].expand(-1, cells, cells, -1)
        centres = torch.stack([x, y], -1).expand(len(sizes), -1, -1, -1)
        return torch.cat([centres, sizes], -1)


def encode_boxes(boxes_cxcywh: Tensor, anchors_cxcywh: Tensor) -> Tensor:
    """Boxes as offsets and log sizes of anchors, ``(..., 4)``.

    Reference:
        CycleSiam, Eq. 4.
    """
    offsets = (boxes_cxcywh[..., :2] - anchors_cxcywh[..., :2]) / anchors_cxcywh[..., 2:]
    return torch.cat([offsets, (boxes_cxcywh[..., 2:] / anchors_cxcywh[..., 2:]).log()], -1)


def decode_boxes(deltas: Tensor, anchors_cxcywh: Tensor) -> Tensor:
    """Inverse of :func:`encode_boxes`, in float32 and with sizes that do not overflow."""
    deltas = deltas.float()
    centres = deltas[..., :2] * anchors_cxcywh[..., 2:] + anchors_cxcywh[..., :2]
    return torch.cat(
        [centres, deltas[..., 2:].clamp(max=LARGEST_LOG_CHANGE).exp() * anchors_cxcywh[..., 2:]], -1
    )


def assign_anchors(
    boxes_xyxy: Tensor, anchors_cxcywh: Tensor, positive_iou: float = 0.6, negative_iou: float = 0.3
) -> Tensor:
    """What is asked of each anchor.

    Args:
        boxes_xyxy: Target boxes ``(B, 4)`` in pixels of the crop; nan where the target is not in
            it.
        anchors_cxcywh: ``(k, h, w, 4)``.
        positive_iou: An anchor that overlaps more is positive.
        negative_iou: One that overlaps less is negative, the others are ignored.

    Returns:
        ``(B, k, h, w)`` int64: 1 positive, 0 negative, -1 ignored. All are negative where there is
        no target.

    Reference:
        CycleSiam, Sec. V-A.
    """
    overlap = iou(cxcywh_to_xyxy(anchors_cxcywh)[None], boxes_xyxy[:, None, None, None])
    labels = torch.full(overlap.shape, -1, dtype=torch.int64, device=overlap.device)
    labels[~(overlap >= negative_iou)] = 0  # nan counts as no overlap
    labels[overlap > positive_iou] = 1
    return labels


def anchor_targets(boxes_xyxy: Tensor, anchors_cxcywh: Tensor) -> Tensor:
    """Coded target boxes of every anchor, ``(B, 4, k, h, w)``; nan where there is no target."""
    boxes = xyxy_to_cxcywh(boxes_xyxy)[:, None, None, None]
    return encode_boxes(boxes, anchors_cxcywh[None]).movedim(-1, 1)


@dataclass(frozen=True)
class AnchorChoice:
    """The best anchor of each of ``B`` search areas.

    Attributes:
        boxes_cxcywh: ``(B, 4)`` in crop pixels.
        scores: ``(B,)`` probability of the object before penalty and window.
        penalties: ``(B,)`` in (0, 1].
        rows, columns: ``(B,)`` int64, the cell.
        usable: ``(B,)`` bool; False where the network gave no finite number at all.
    """

    boxes_cxcywh: Tensor
    scores: Tensor
    penalties: Tensor
    rows: Tensor
    columns: Tensor
    usable: Tensor


def choose_anchors(
    scores: Tensor,
    boxes_cxcywh: Tensor,
    target_wh: Tensor,
    penalty_k: float,
    window_influence: float,
    context: float = 0.5,
) -> AnchorChoice:
    """The best anchor after the penalty on changes of scale and ratio and after the Hann window.

    Args:
        scores: ``(B, k, h, w)``.
        boxes_cxcywh: Decoded boxes ``(B, k, h, w, 4)`` in crop pixels.
        target_wh: Size ``(B, 2)`` so far, at the scale of the crop.
        penalty_k: Strength of the penalty.
        window_influence: Share of the window.
        context: Context share of the measure of size.

    Reference:
        SiamRPN (CVPR 2018), Eq. 12 and 13.
    """
    sizes, before = boxes_cxcywh[..., 2:], target_wh[:, None, None, None]

    def length(wh: Tensor) -> Tensor:
        return (wh + context * wh.sum(-1, keepdim=True)).prod(-1).sqrt()

    def change(ratio: Tensor) -> Tensor:
        return torch.maximum(ratio, 1 / ratio)

    scale = change(length(sizes) / length(before))
    ratio = change((before[..., 0] / before[..., 1]) / (sizes[..., 0] / sizes[..., 1]))
    penalties = (-penalty_k * (scale * ratio - 1)).exp()
    window = torch.hann_window(
        scores.shape[-1], periodic=False, dtype=scores.dtype, device=scores.device
    )
    blended = (1 - window_influence) * penalties * scores + window_influence * torch.outer(
        window, window
    )
    finite = blended.isfinite() & boxes_cxcywh.isfinite().all(-1)
    flat = torch.where(finite, blended, blended.new_full((), -torch.inf)).flatten(1)
    best = flat.argmax(1)
    picked = (torch.arange(len(best), device=best.device), best)
    cells = scores.shape[-2] * scores.shape[-1]
    return AnchorChoice(
        boxes_cxcywh.flatten(1, 3)[picked],
        scores.flatten(1)[picked],
        penalties.flatten(1)[picked],
        best % cells // scores.shape[-1],
        best % scores.shape[-1],
        finite.flatten(1)[picked],
    )
