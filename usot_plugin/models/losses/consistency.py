"""Forward-backward consistency loss that leaves out hopeless samples and favours moving ones."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from usot_plugin.registry import MODELS


def squared_distances(responses: Tensor, labels: Tensor) -> Tensor:
    """``||R - Y||^2`` of each sample: maps ``(B, H, W)`` to ``(B,)``."""
    return (responses - labels).square().flatten(1).sum(1)


def sample_weights(losses: Tensor, motion: Tensor | None, drop_share: float) -> Tensor:
    """Weights that sum to 1: nothing for the highest losses, the others in proportion to their
    motion.

    Args:
        losses: ``(B,)``.
        motion: ``(B,)``, not negative; None weighs all samples alike, and so does motion that is 0
            throughout.
        drop_share: Share of the samples that is left out, rounded to whole samples; one sample
            always stays.

    Returns:
        ``(B,)`` without gradient.

    Reference:
        UDT, Eq. 10 with the binary weights of Sec. 3.3.2.
    """
    losses = losses.detach()
    kept = torch.ones_like(losses)
    dropped = min(round(drop_share * len(losses)), len(losses) - 1)
    kept[losses.topk(dropped).indices] = 0
    weights = kept if motion is None else kept * motion.detach()
    weights = torch.where(weights.sum() > 0, weights, kept)
    return weights / weights.sum()


@MODELS.register_module()
class ConsistencyLoss(nn.Module):
    """Weighted sum of ``||R_T - Y_T||^2`` over a batch, divided by the batch size.

    Args:
        drop_share: Share of the samples with the highest losses that is left out; 0.1 in the paper,
            0 keeps all.
        weigh_motion: Weigh samples by how far their responses moved (Eq. 9); otherwise all alike.
        weigh_pixels: Multiply squared differences by ``exp(Y)``, as the release of the paper's
            toolbox does.
        loss_weight: Factor on the result.

    Raises:
        ValueError: ``drop_share`` is outside [0, 1).

    Reference:
        UDT, Eq. 8 to 11.
    """

    def __init__(
        self,
        drop_share: float = 0.1,
        weigh_motion: bool = True,
        weigh_pixels: bool = False,
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__()
        if not 0 <= drop_share < 1:
            raise ValueError(f'ConsistencyLoss: drop_share must be in [0, 1), got {drop_share}')
        self.drop_share, self.weigh_motion = drop_share, weigh_motion
        self.weigh_pixels, self.loss_weight = weigh_pixels, loss_weight

    def forward(self, responses: Tensor, labels: Tensor, motion: Tensor) -> Tensor:
        """The loss of a batch.

        Args:
            responses: ``(B, H, W)`` after backward tracking.
            labels: ``(B, H, W)`` initial labels.
            motion: ``(B,)`` of Eq. 9.

        Returns:
            A scalar.
        """
        if self.weigh_pixels:
            root = torch.exp(labels / 2)
            responses, labels = responses * root, labels * root
        losses = squared_distances(responses, labels)
        weights = sample_weights(losses, motion if self.weigh_motion else None, self.drop_share)
        return self.loss_weight * (weights * losses).sum() / len(losses)
