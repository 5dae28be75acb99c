"""Contrast of one instance with others, hardest background first."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from usot_plugin.registry import MODELS


@MODELS.register_module()
class InstanceContrastLoss(nn.Module):
    """InfoNCE of cosine similarities: an instance's other view against other instances and the
    hardest background around it.

    Args:
        temperature: Similarities are divided by this.
        hard_negatives: So many background patches of each instance, those most similar to it, are
            negatives (anchor-based hard negative mining); 0 for none, which leaves plain instance
            discrimination.
        loss_weight: Factor on the loss.

    Raises:
        ValueError: An impossible number.

    Reference:
        InfoNCE: arXiv:1807.03748, Eq. 4. Anchor-based hard negatives: PUL (CVPR 2021), Sec. 1,
            which gives no numbers; they are ours.
    """

    def __init__(
        self, temperature: float = 0.1, hard_negatives: int = 16, loss_weight: float = 1.0
    ) -> None:
        super().__init__()
        if temperature <= 0 or hard_negatives < 0:
            raise ValueError(
                f'InstanceContrastLoss: temperature is above 0, got {temperature}; '
                f'hard_negatives at least 0, got {hard_negatives}'
            )
        self.temperature = temperature
        self.hard_negatives = hard_negatives
        self.loss_weight = loss_weight

    def forward(self, positive: Tensor, others: Tensor, background: Tensor) -> Tensor:
        """Mean over the instances; one without a single negative contributes 0.

        Args:
            positive: ``(B,)`` similarity of the two views of each instance.
            others: ``(B, M)`` similarities to other instances; -inf for what must not count.
            background: ``(B, N)`` similarities to patches around the instance; -inf for those that
                are not background.
        """
        hardest = background.topk(min(self.hard_negatives, background.shape[1]), dim=1).values
        logits = torch.cat([positive[:, None], others, hardest], dim=1).float() / self.temperature
        return self.loss_weight * (logits.logsumexp(1) - logits[:, 0]).mean()
