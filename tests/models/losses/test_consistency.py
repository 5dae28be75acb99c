"""Consistency loss: a slow loop over Eq. 9 to 11, a closed form, and batches with nothing to
weigh."""

from __future__ import annotations

import pytest
import torch

from usot_plugin.models.losses.consistency import ConsistencyLoss, sample_weights


def slow_loss(responses, labels, motion, drop_share):
    """Eq. 10 and 11, one sample after the other."""
    count = len(responses)
    losses = [
        sum(value**2 for value in (a - b).flatten().tolist())
        for a, b in zip(responses, labels, strict=True)
    ]
    dropped = sorted(range(count), key=lambda i: losses[i], reverse=True)[
        : round(drop_share * count)
    ]
    weights = [0.0 if i in dropped else motion[i].item() for i in range(count)]
    return (
        sum(weight / sum(weights) * loss for weight, loss in zip(weights, losses, strict=True))
        / count
    )


@pytest.mark.parametrize('drop_share', [0.0, 0.1, 0.35])
def test_loss_equals_a_slow_loop(drop_share):
    torch.manual_seed(3)
    responses, labels, motion = torch.randn(10, 4, 5), torch.randn(10, 4, 5), torch.rand(10)
    assert ConsistencyLoss(drop_share)(responses, labels, motion).item() == pytest.approx(
        slow_loss(responses, labels, motion, drop_share), rel=1e-5
    )


def test_closed_form_of_two_samples():
    # ||R - Y||^2 is 4 and 16; weighed 3 : 1 and divided by two samples: (3 / 4 * 4 + 1 / 4 * 16) /
    # 2.
    responses = torch.stack([torch.ones(2, 2), torch.full((2, 2), 2.0)])
    labels = torch.zeros(2, 2, 2)
    assert ConsistencyLoss(0.0)(responses, labels, torch.tensor([3.0, 1.0])).item() == 3.5
    assert (
        ConsistencyLoss(0.0, weigh_motion=False)(responses, labels, torch.tensor([3.0, 1.0])).item()
        == 5.0
    )
    assert (
        ConsistencyLoss(0.5, loss_weight=2.0)(responses, labels, torch.tensor([3.0, 1.0])).item()
        == 4.0
    )


def test_pixels_are_weighed_by_the_exponential_of_the_label():
    responses, labels = torch.zeros(1, 1, 2), torch.tensor([[[1.0, 0.5]]])
    expected = torch.e * 1 + torch.tensor(0.5).exp().item() * 0.25
    assert ConsistencyLoss(weigh_pixels=True)(
        responses, labels, torch.ones(1)
    ).item() == pytest.approx(expected, rel=1e-6)


def test_the_highest_losses_get_no_gradient():
    responses = torch.tensor([1.0, 9.0, 2.0]).view(3, 1, 1).requires_grad_()
    ConsistencyLoss(0.34)(responses, torch.zeros(3, 1, 1), torch.ones(3)).backward()
    assert responses.grad.flatten().tolist() == pytest.approx([1 / 3, 0.0, 2 / 3])


def test_motion_has_no_gradient():
    motion = torch.rand(4, requires_grad=True)
    loss = ConsistencyLoss()(torch.randn(4, 2, 2, requires_grad=True), torch.zeros(4, 2, 2), motion)
    loss.backward()
    assert motion.grad is None


def test_still_or_single_samples_are_weighed_alike():
    assert sample_weights(torch.arange(4.0), torch.zeros(4), 0.25).tolist() == pytest.approx(
        [1 / 3, 1 / 3, 1 / 3, 0]
    )
    assert sample_weights(torch.ones(1), torch.zeros(1), 0.9).tolist() == [1.0]


def test_impossible_share_is_refused():
    with pytest.raises(ValueError, match='drop_share'):
        ConsistencyLoss(drop_share=1.0)
