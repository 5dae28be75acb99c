"""The host's detection losses (``mmdet.GIoULoss``, ``mmdet.FocalLoss``, ...) on response maps."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from usot_plugin.registry import MODELS


@MODELS.register_module()
class HostBoxLoss(nn.Module):
    """A loss on pairs of boxes ``(N, 4)`` as the loss of per-cell distances.

    Each positive cell is a pair: the boxes that predicted and wanted distances span around the
    cell. Fits every box loss of mmdet that takes ``x1, y1, x2, y2`` (IoULoss, GIoULoss, DIoULoss,
    CIoULoss, EIoULoss, ...).

    Args:
        loss: Config of the loss, its ``loss_weight`` included; called as ``loss(predicted, wanted,
            avg_factor=N)``.
    """

    def __init__(self, loss: dict[str, Any]) -> None:
        super().__init__()
        self.loss = MODELS.build(loss)

    def forward(self, prediction: Tensor, target: Tensor, positive: Tensor) -> Tensor:
        """Mean over the positive cells.

        Args:
            prediction: Distances l, t, r, b from the cell to the box, ``(B, 4, H, W)``, pixels,
                positive.
            target: The same of the pseudo box.
            positive: ``(B, H, W)`` bool, cells inside the box.

        Returns:
            A scalar; 0 (with gradient 0) where no cell is positive.
        """
        corners = prediction.new_tensor([-1, -1, 1, 1])
        predicted, wanted = (
            distances.movedim(1, -1)[positive] * corners for distances in (prediction, target)
        )
        if not len(predicted):
            return prediction.sum() * 0
        return self.loss(predicted, wanted, avg_factor=len(predicted))


@MODELS.register_module()
class HostMapLoss(nn.Module):
    """A loss on rows of class logits ``(N, 1)`` as the loss of a response map.

    Fits the losses of mmdet that take a one-hot target of one class (FocalLoss, CrossEntropyLoss
    with ``use_sigmoid=True``, ...).

    Args:
        loss: Config of the loss, its ``loss_weight`` included; called as ``loss(logits, target,
            avg_factor=...)``.
        average_over: ``'positives'`` (as focal losses are averaged) or ``'cells'``.

    Raises:
        ValueError: Unknown ``average_over``.
    """

    def __init__(self, loss: dict[str, Any], average_over: str = 'positives') -> None:
        super().__init__()
        if average_over not in ('positives', 'cells'):
            raise ValueError(
                f"HostMapLoss: average_over is 'positives' or 'cells', got {average_over!r}"
            )
        self.loss = MODELS.build(loss)
        self.average_over = average_over

    def forward(self, logits: Tensor, label: Tensor) -> Tensor:
        """Mean over positives or over all cells that count.

        Args:
            logits: Any shape.
            label: The same shape; 1 is positive, 0 negative, everything else is ignored.
        """
        counted = (label == 0) | (label == 1)
        target = label[counted][:, None].to(logits.dtype)
        number = (
            target.sum() if self.average_over == 'positives' else torch.tensor(float(len(target)))
        )
        return self.loss(logits[counted][:, None], target, avg_factor=max(1.0, float(number)))
