"""Box regression loss on per-cell distances."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from usot_plugin.registry import MODELS


def ltrb_overlap(prediction: Tensor, target: Tensor) -> Tensor:
    """Overlap (IoU) of two boxes around each cell, ``(B, H, W)`` of distances ``(B, 4, H, W)``; 0
    where a cell lies outside the target."""
    inside = (target > 0).all(dim=1)
    overlap = torch.minimum(prediction, target)
    inter = (overlap[:, 0] + overlap[:, 2]) * (overlap[:, 1] + overlap[:, 3])
    areas = [(side[:, 0] + side[:, 2]) * (side[:, 1] + side[:, 3]) for side in (prediction, target)]
    union = areas[0] + areas[1] - inter
    return torch.where(inside, inter / union.clamp(min=1e-6), torch.zeros_like(inter))


def ltrb_iou_loss(prediction: Tensor, target: Tensor, positive: Tensor) -> Tensor:
    """Mean of ``-log((inter + 1) / (union + 1))`` over the positive cells.

    Args:
        prediction: Distances l, t, r, b from the cell to the box, ``(B, 4, H, W)``, pixels,
            positive.
        target: The same of the pseudo box.
        positive: ``(B, H, W)`` bool, cells inside the box.

    Returns:
        A scalar; 0 (with gradient 0) where no cell is positive.

    Reference:
        UnitBox (arXiv:1608.01471), Eq. 2; the +1 keeps it finite, as in the USOT release.
    """
    area = (target[:, 0] + target[:, 2]) * (target[:, 1] + target[:, 3])
    area_predicted = (prediction[:, 0] + prediction[:, 2]) * (prediction[:, 1] + prediction[:, 3])
    overlap = torch.minimum(prediction, target)
    inter = (overlap[:, 0] + overlap[:, 2]) * (overlap[:, 1] + overlap[:, 3])
    union = area + area_predicted - inter
    # A select before the log: negative cells have meaningless (negative) overlaps whose log is nan,
    # and nan * 0 is nan.
    ratio = torch.where(positive, (inter + 1) / (union + 1), torch.ones_like(inter))
    return -torch.log(ratio).sum() / positive.sum().clamp(min=1)


@MODELS.register_module()
class LTRBIoULoss(nn.Module):
    """:func:`ltrb_iou_loss` with a weight."""

    def __init__(self, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.loss_weight = loss_weight

    def forward(self, prediction: Tensor, target: Tensor, positive: Tensor) -> Tensor:
        """See :func:`ltrb_iou_loss`."""
        return self.loss_weight * ltrb_iou_loss(prediction, target, positive)
