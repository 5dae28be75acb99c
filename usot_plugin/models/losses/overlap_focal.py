"""Focal loss whose positives are asked for the overlap of their box."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from usot_plugin.registry import MODELS


def overlap_focal(logits: Tensor, label: Tensor, beta: float = 2.0) -> Tensor:
    """Binary cross-entropy weighted by ``|label - score| ** beta``, divided by the number of
    positive cells.

    Unlike a mean over all negatives, the few cells on a look-alike count as much as the target.

    Args:
        logits: Any shape.
        label: The same shape, 0 to 1; positive where above 0.
        beta: Strength of the focus.

    Returns:
        A scalar.

    Reference:
        Generalized Focal Loss (arXiv:2006.04388), Eq. 5.
    """
    logits = logits.float()
    label = label.float()
    losses = F.binary_cross_entropy_with_logits(logits, label, reduction='none')
    weight = (label - logits.sigmoid()).abs() ** beta
    return (losses * weight).sum() / (label > 0).sum().clamp(min=1)


@MODELS.register_module()
class OverlapFocalLoss(nn.Module):
    """:func:`overlap_focal` with a weight.

    ``overlap_labels`` tells the model to label its positive cells with the overlap of their
    predicted box.
    """

    overlap_labels = True

    def __init__(self, beta: float = 2.0, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.beta, self.loss_weight = beta, loss_weight

    def forward(self, logits: Tensor, label: Tensor) -> Tensor:
        """See :func:`overlap_focal`."""
        return self.loss_weight * overlap_focal(logits, label, self.beta)
