"""Anchor and mask losses against slow loops, closed forms and finite differences."""

from __future__ import annotations

import math

import pytest
import torch

from usot_plugin.models.losses.anchor_losses import anchor_box_loss, anchor_score_loss, mask_loss


def maps(seed: int = 0):
    rng = torch.Generator().manual_seed(seed)
    logits = torch.randn(2, 2, 3, 4, 4, generator=rng, dtype=torch.float64)
    deltas = torch.randn(2, 4, 3, 4, 4, generator=rng, dtype=torch.float64)
    targets = 2 * torch.randn(2, 4, 3, 4, 4, generator=rng, dtype=torch.float64)
    labels = torch.randint(-1, 2, (2, 3, 4, 4), generator=rng)
    return logits, deltas, targets, labels


def test_score_loss_equals_a_slow_loop():
    logits, _, _, labels = maps()
    sums, counts = [0.0, 0.0], [0, 0]
    for at in torch.cartesian_prod(*(torch.arange(size) for size in labels.shape)).tolist():
        label = int(labels[tuple(at)])
        if label >= 0:
            background, obj = (logits[at[0], c, at[1], at[2], at[3]].item() for c in (0, 1))
            sums[label] += math.log(math.exp(background) + math.exp(obj)) - (background, obj)[label]
            counts[label] += 1
    expected = 0.5 * sums[0] / counts[0] + 0.5 * sums[1] / counts[1]
    assert anchor_score_loss(logits, labels).item() == pytest.approx(expected)


def test_score_loss_of_an_undecided_network_is_log_two():
    labels = torch.zeros(1, 5, 3, 3, dtype=torch.int64)
    labels[0, 0, 0, 0] = 1
    assert anchor_score_loss(torch.zeros(1, 2, 5, 3, 3), labels).item() == pytest.approx(
        math.log(2)
    )


def test_box_loss_equals_a_slow_loop():
    _, deltas, targets, labels = maps()
    total = 0.0
    for b in range(2):
        chosen = (labels[b] == 1).nonzero().tolist()
        image = 0.0
        for at in chosen:
            for c in range(4):
                distance = abs(deltas[b, c][tuple(at)] - targets[b, c][tuple(at)]).item()
                image += 0.5 * distance**2 if distance < 1 else distance - 0.5
        total += image / len(chosen)
    assert anchor_box_loss(deltas, targets, labels).item() == pytest.approx(total / 2)


def test_nothing_positive_gives_zero_losses_and_finite_gradients():
    logits, deltas, targets, _ = maps()
    labels = torch.full((2, 3, 4, 4), -1)
    logits.requires_grad_(), deltas.requires_grad_()
    total = anchor_score_loss(logits, labels) + anchor_box_loss(deltas, targets * math.nan, labels)
    total.backward()
    assert total.item() == 0
    assert not logits.grad.any() and not deltas.grad.any()


def test_mask_loss_equals_the_formula():
    rng = torch.Generator().manual_seed(2)
    logits = torch.randn(3, 5, 5, generator=rng, dtype=torch.float64)
    windows = torch.rand(3, 5, 5, generator=rng) < 0.4
    expected = 0.0
    for n, i, j in torch.cartesian_prod(torch.arange(3), torch.arange(5), torch.arange(5)).tolist():
        sign = 1 if windows[n, i, j] else -1
        expected += math.log(1 + math.exp(-sign * logits[n, i, j].item()))
    assert mask_loss(logits, windows).item() == pytest.approx(expected / 75)


def test_no_cell_with_a_mask_costs_nothing():
    logits = torch.zeros(0, 127, 127, requires_grad=True)
    loss = mask_loss(logits, torch.zeros(0, 127, 127, dtype=torch.bool))
    loss.backward()
    assert loss.item() == 0


def test_gradients_are_those_of_the_losses():
    logits, deltas, targets, labels = maps(5)
    assert torch.autograd.gradcheck(lambda x: anchor_score_loss(x, labels), logits.requires_grad_())
    assert torch.autograd.gradcheck(
        lambda x: anchor_box_loss(x, targets, labels), deltas.requires_grad_()
    )
