"""Contrast of instances: closed form, only the hardest background, what must not count,
gradient."""

from __future__ import annotations

import math

import pytest
import torch

from usot_plugin.models.losses.instance_contrast import InstanceContrastLoss


def test_closed_form_with_the_hardest_background_only():
    positive, others = torch.tensor([0.9]), torch.tensor([[-math.inf, 0.1]])
    background = torch.tensor([[0.2, 0.7, -math.inf, 0.5]])
    powers = [math.exp(value / 0.2) for value in (0.9, 0.1, 0.7, 0.5)]
    loss = InstanceContrastLoss(temperature=0.2, hard_negatives=2)
    assert loss(positive, others, background).item() == pytest.approx(
        -math.log(powers[0] / sum(powers)), rel=1e-6
    )


def test_without_hard_negatives_it_is_plain_instance_discrimination():
    positive, others = torch.rand(4), torch.rand(4, 4)
    expected = torch.nn.functional.cross_entropy(
        torch.cat([positive[:, None], others], 1) / 0.1, torch.zeros(4, dtype=torch.long)
    )
    loss = InstanceContrastLoss(hard_negatives=0)
    torch.testing.assert_close(loss(positive, others, torch.rand(4, 9)), expected)


def test_no_negative_at_all_costs_nothing_and_gradients_stay_finite():
    positive = torch.tensor([0.5], requires_grad=True)
    value = InstanceContrastLoss()(
        positive, torch.tensor([[-math.inf]]), torch.full((1, 3), -math.inf)
    )
    value.backward()
    assert value.item() == 0 and torch.isfinite(positive.grad).all()


def test_gradient():
    inputs = [
        torch.rand(3, dtype=torch.float64),
        torch.rand(3, 3, dtype=torch.float64),
        torch.rand(3, 7, dtype=torch.float64),
    ]
    loss = InstanceContrastLoss(hard_negatives=3)
    inputs = [value.float().requires_grad_() for value in inputs]
    loss(*inputs).backward()
    assert inputs[0].grad.lt(0).all() and inputs[1].grad.gt(0).all()
    assert (inputs[2].grad > 0).sum(1).tolist() == [3, 3, 3]  # the hardest ones, and nothing else


@pytest.mark.parametrize('options', [dict(temperature=0), dict(hard_negatives=-1)])
def test_impossible_numbers_are_refused(options):
    with pytest.raises(ValueError, match='InstanceContrastLoss'):
        InstanceContrastLoss(**options)
