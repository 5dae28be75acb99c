"""Response loss that trusts a pair less, the more places of its search area look like the
template."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from usot_plugin.registry import MODELS

from .balanced_bce import balanced_bce


def balanced_bce_of_each(logits: Tensor, label: Tensor) -> Tensor:
    """:func:`balanced_bce` of every map of a batch ``(B, h, w)`` by itself, ``(B,)``."""
    return torch.vmap(balanced_bce)(logits, label)


def anti_clutter_weights(responses: Tensor, threshold: float = 0.5, power: float = 2.0) -> Tensor:
    """Weight of every pair: ``(1 - share of cells at or above the threshold) ** power``.

    Args:
        responses: ``(B, h, w)`` of any range; each map is first stretched to [0, 1].
        threshold: ``beta``.
        power: ``gamma``.

    Returns:
        ``(B,)`` in [0, 1), without gradient. A flat map weighs 0: every place looks like the
        template.

    Reference:
        S2SiamFC (ACM MM 2020), Eq. 3 and 4.
    """
    flat = responses.detach().flatten(1)
    low = flat.amin(1, keepdim=True)
    high = flat.amax(1, keepdim=True)
    # Written without a division, so that a flat map needs no case of its own: all its cells reach
    # the threshold.
    clutter = flat - low >= threshold * (high - low)
    return (1 - clutter.to(flat.dtype).mean(1)) ** power


@MODELS.register_module()
class AntiClutterLoss(nn.Module):
    """Mean over the pairs of anti-clutter weight times balanced cross-entropy.

    Args:
        threshold: ``beta`` of Eq. 4, on responses stretched to [0, 1].
        power: ``gamma`` of Eq. 3.
        loss_weight: Factor on the loss.

    Reference:
        S2SiamFC (ACM MM 2020), Eq. 5.
    """

    def __init__(
        self, threshold: float = 0.5, power: float = 2.0, loss_weight: float = 1.0
    ) -> None:
        super().__init__()
        if not 0 < threshold <= 1 or power < 0:
            raise ValueError(
                f'AntiClutterLoss: threshold is in (0, 1] and power at least 0, got {threshold} '
                f'and {power}'
            )
        self.threshold, self.power, self.loss_weight = threshold, power, loss_weight

    def forward(self, logits: Tensor, label: Tensor) -> Tensor:
        """Scalar loss of logits ``(B, h, w)`` and labels ``(B, h, w)`` of 0 and 1."""
        weights = anti_clutter_weights(logits, self.threshold, self.power)
        return self.loss_weight * (weights * balanced_bce_of_each(logits, label)).mean()


@MODELS.register_module()
class PairwiseBCELoss(nn.Module):
    """Mean over the pairs of their balanced cross-entropies: SiamFC's loss, and
    :class:`AntiClutterLoss` with all weights 1.

    Unlike ``BalancedBCELoss``, which averages over all cells of a batch, every pair counts the
    same, one without a positive cell included.

    Reference:
        SiamFC (arXiv:1606.09549), Eq. 2; S2SiamFC, Eq. 2.
    """

    def __init__(self, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.loss_weight = loss_weight

    def forward(self, logits: Tensor, label: Tensor) -> Tensor:
        """Scalar loss of logits ``(B, h, w)`` and labels ``(B, h, w)`` of 0 and 1."""
        return self.loss_weight * balanced_bce_of_each(logits, label).mean()
