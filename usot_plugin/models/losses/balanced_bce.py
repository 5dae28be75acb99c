"""Classification loss on response maps."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from usot_plugin.registry import MODELS


def balanced_bce(logits: Tensor, label: Tensor) -> Tensor:
    """Binary cross-entropy whose positives and negatives are averaged apart, each with weight 0.5.

    Args:
        logits: Any shape.
        label: The same shape; 1 is positive, 0 negative, everything else is ignored.

    Returns:
        A scalar; a class without a sample contributes 0.

    Reference:
        USOT, Sec. 3.2 (BCE) as the release balances it.
    """
    losses = F.binary_cross_entropy_with_logits(
        logits, label.clamp(0, 1).to(logits.dtype), reduction='none'
    )
    halves = [
        (losses * chosen).sum() / chosen.sum().clamp(min=1) for chosen in (label == 1, label == 0)
    ]
    return 0.5 * torch.stack(halves).sum()


@MODELS.register_module()
class BalancedBCELoss(nn.Module):
    """:func:`balanced_bce` with a weight."""

    def __init__(self, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.loss_weight = loss_weight

    def forward(self, logits: Tensor, label: Tensor) -> Tensor:
        """See :func:`balanced_bce`."""
        return self.loss_weight * balanced_bce(logits, label)
