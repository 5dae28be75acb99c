"""Losses: closed forms, slow twins and the corners where a mean has nothing to average."""

from __future__ import annotations

import math

import pytest
import torch

from usot_plugin.models.losses.balanced_bce import BalancedBCELoss, balanced_bce
from usot_plugin.models.losses.iou_loss import LTRBIoULoss, ltrb_iou_loss


def test_iou_loss_of_one_cell():
    # Target 20x20 around the cell, prediction 10x20: intersection 200, union 400.
    target = torch.full((1, 4, 1, 1), 10.0)
    prediction = torch.tensor([5.0, 10.0, 5.0, 10.0]).view(1, 4, 1, 1)
    loss = ltrb_iou_loss(prediction, target, torch.ones(1, 1, 1, dtype=torch.bool))
    assert loss.item() == pytest.approx(-math.log(201 / 401), abs=1e-6)


def test_iou_loss_averages_positive_cells_only():
    torch.manual_seed(0)
    prediction, target = torch.rand(2, 4, 5, 5) * 20, torch.rand(2, 4, 5, 5) * 20
    positive = torch.rand(2, 5, 5) > 0.5
    target = torch.where(
        positive[:, None], target, -target
    )  # outside the box the distances are negative
    expected = []
    for b, y, x in positive.nonzero().tolist():
        p, t = prediction[b, :, y, x], target[b, :, y, x]
        m = torch.minimum(p, t)
        inter = (m[0] + m[2]) * (m[1] + m[3])
        union = (p[0] + p[2]) * (p[1] + p[3]) + (t[0] + t[2]) * (t[1] + t[3]) - inter
        expected.append(-torch.log((inter + 1) / (union + 1)))
    assert ltrb_iou_loss(prediction, target, positive).item() == pytest.approx(
        torch.stack(expected).mean().item(), rel=1e-5
    )


def test_iou_loss_without_positive_cell_is_zero_with_zero_gradient():
    prediction = torch.rand(1, 4, 3, 3, requires_grad=True)
    loss = LTRBIoULoss()(
        prediction, -torch.ones(1, 4, 3, 3), torch.zeros(1, 3, 3, dtype=torch.bool)
    )
    loss.backward()
    assert loss.item() == 0 and (prediction.grad == 0).all()


def test_iou_loss_gradcheck():
    prediction = (torch.rand(1, 4, 3, 3, dtype=torch.float64) * 9 + 1).requires_grad_()
    target = torch.rand(1, 4, 3, 3, dtype=torch.float64) * 9 + 1
    positive = torch.ones(1, 3, 3, dtype=torch.bool)
    assert torch.autograd.gradcheck(lambda p: ltrb_iou_loss(p, target, positive), (prediction,))


def test_balanced_bce_averages_the_classes_apart():
    logits = torch.tensor([0.0, 2.0, -1.0, 3.0])
    label = torch.tensor([1.0, 1.0, 0.0, -1.0])  # the last one is ignored
    positive = (math.log(2) + math.log(1 + math.exp(-2))) / 2
    negative = math.log(1 + math.exp(-1))
    assert balanced_bce(logits, label).item() == pytest.approx(
        0.5 * positive + 0.5 * negative, abs=1e-6
    )


def test_balanced_bce_of_one_class_only():
    loss = BalancedBCELoss(loss_weight=2.0)(torch.zeros(4), torch.zeros(4))
    assert loss.item() == pytest.approx(2 * 0.5 * math.log(2), abs=1e-6)
