"""Anti-clutter weights and loss: closed form, slow loop, gradient, flat maps."""

from __future__ import annotations

import math

import pytest
import torch

from usot_plugin.models.losses.anti_clutter import (
    AntiClutterLoss,
    PairwiseBCELoss,
    anti_clutter_weights,
    balanced_bce_of_each,
)


def slow_weight(response: torch.Tensor, threshold: float, power: float) -> float:
    values = response.flatten().tolist()
    low, high = min(values), max(values)
    clutter = sum((value - low) / (high - low) >= threshold for value in values)
    return (1 - clutter / len(values)) ** power


def slow_loss(logits: torch.Tensor, label: torch.Tensor) -> float:
    parts = {1: [], 0: []}
    for value, wanted in zip(logits.flatten().tolist(), label.flatten().tolist(), strict=True):
        parts[int(wanted)].append(math.log1p(math.exp(-value if wanted else value)))
    return sum(0.5 * sum(part) / len(part) for part in parts.values() if part)


def test_weight_in_closed_form():
    # One of four cells reaches the middle of the range: (1 - 1/4)^2.
    response = torch.tensor([[[0.0, 1.0], [4.0, 10.0]]])
    assert anti_clutter_weights(response).item() == pytest.approx(0.5625)
    assert anti_clutter_weights(response, threshold=0.4).item() == pytest.approx(
        0.25
    )  # 4 of 10 reaches 0.4: the rim counts
    assert anti_clutter_weights(response, power=0.0).item() == 1


def test_weights_equal_a_slow_loop():
    responses = torch.randn(6, 15, 15, dtype=torch.float64) * 7 - 3
    expected = [slow_weight(response, 0.3, 1.5) for response in responses]
    assert anti_clutter_weights(responses, 0.3, 1.5).tolist() == pytest.approx(expected)


def test_weights_do_not_depend_on_range_and_offset():
    responses = torch.randn(4, 15, 15, dtype=torch.float64)
    torch.testing.assert_close(
        anti_clutter_weights(responses), anti_clutter_weights(100 * responses + 30)
    )


def test_a_flat_map_weighs_nothing():
    loss = AntiClutterLoss()
    logits = torch.full((2, 15, 15), 3.0, requires_grad=True)
    value = loss(logits, torch.zeros(2, 15, 15))
    value.backward()
    assert value.item() == 0 and torch.equal(logits.grad, torch.zeros_like(logits))


def test_a_unique_template_counts_more_than_a_common_one():
    unique = torch.zeros(1, 15, 15)
    unique[0, 7, 7] = 1
    common = torch.rand(1, 15, 15) * 0.2 + 0.7
    common[0, 0, 0] = 0
    unique_weight, common_weight = anti_clutter_weights(torch.cat([unique, common])).tolist()
    assert unique_weight == pytest.approx(
        (224 / 225) ** 2, rel=1e-4
    ) and common_weight == pytest.approx((1 / 225) ** 2, rel=1e-4)


def test_losses_equal_a_slow_loop():
    logits, label = torch.randn(4, 9, 9, dtype=torch.float64), (torch.rand(4, 9, 9) > 0.8).double()
    label[2] = 0  # a hard negative
    each = [slow_loss(*pair) for pair in zip(logits, label, strict=True)]
    assert balanced_bce_of_each(logits, label).tolist() == pytest.approx(each)
    assert PairwiseBCELoss(loss_weight=2.0)(logits, label).item() == pytest.approx(
        2 * sum(each) / 4
    )
    weighted = [
        slow_weight(response, 0.5, 2) * value for response, value in zip(logits, each, strict=True)
    ]
    assert AntiClutterLoss()(logits, label).item() == pytest.approx(sum(weighted) / 4)


def test_loss_of_zero_logits_in_closed_form():
    # Every cell costs log 2; a map without positives has only the negative half.
    label = torch.zeros(2, 5, 5)
    label[0, 2, 2] = 1
    assert balanced_bce_of_each(torch.zeros(2, 5, 5), label).tolist() == pytest.approx(
        [math.log(2), math.log(2) / 2]
    )


def test_gradients():
    # The weight is constant within a small step, so the gradient of the whole is that of the
    # weighted cross-entropy.
    logits = torch.randn(2, 5, 5, dtype=torch.float64, requires_grad=True)
    label = (torch.rand(2, 5, 5) > 0.7).double()
    assert torch.autograd.gradcheck(lambda x: AntiClutterLoss()(x, label), (logits,))
    assert torch.autograd.gradcheck(lambda x: PairwiseBCELoss()(x, label), (logits,))


@pytest.mark.parametrize('options', [dict(threshold=0), dict(threshold=1.5), dict(power=-1)])
def test_impossible_options_are_refused(options):
    with pytest.raises(ValueError, match='AntiClutterLoss'):
        AntiClutterLoss(**options)
