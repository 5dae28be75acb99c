"""Losses of anchors and of the masks of their cells."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def anchor_score_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of background and object, positives and negatives averaged apart with weight
    0.5 each.

    Args:
        logits: ``(B, 2, k, h, w)``, background first.
        labels: ``(B, k, h, w)``: 1 positive, 0 negative, everything else ignored.

    Returns:
        A scalar; a class without an anchor contributes 0.

    Reference:
        CycleSiam, Eq. 6 (both of its terms are equal under a softmax over two classes, so it is
        twice this sum); the balance is that of the releases.
    """
    losses = F.cross_entropy(logits, labels.clamp(0, 1), reduction='none')
    halves = [
        torch.where(chosen, losses, 0).sum() / chosen.sum().clamp(min=1)
        for chosen in (labels == 1, labels == 0)
    ]
    return 0.5 * torch.stack(halves).sum()


def anchor_box_loss(deltas: Tensor, targets: Tensor, labels: Tensor) -> Tensor:
    """Smooth L1 over the four coordinates, averaged over the positive anchors of each image and
    then over the images.

    Args:
        deltas: Predicted codes ``(B, 4, k, h, w)``.
        targets: Codes of the target box; anything, nan too, where the label is not 1.
        labels: ``(B, k, h, w)``.

    Returns:
        A scalar; an image without a positive anchor counts as 0.

    Reference:
        CycleSiam, Eq. 5; the average over positives is that of the releases.
    """
    positive = labels == 1
    # A select before the loss: nan targets times 0 would be nan, in the gradient too.
    wanted = torch.where(positive[:, None], targets, deltas.detach())
    losses = F.smooth_l1_loss(deltas, wanted, reduction='none').sum(1).flatten(1).sum(1)
    return (losses / positive.flatten(1).sum(1).clamp(min=1)).mean()


def mask_loss(logits: Tensor, windows: Tensor) -> Tensor:
    """Logistic loss of the masks of positive cells, averaged over cells and pixels.

    Args:
        logits: ``(P, S, S)``, one mask for each positive cell.
        windows: ``(P, S, S)`` bool, the target's pixels in the window of the cell.

    Returns:
        A scalar; 0 with gradient 0 where no cell is positive.

    Reference:
        CycleSiam, Eq. 8, whose sum over cells is an average as in SiamMask's release.
    """
    signs = 2 * windows.to(logits.dtype) - 1
    return F.softplus(-signs * logits).sum() / max(logits.numel(), 1)
