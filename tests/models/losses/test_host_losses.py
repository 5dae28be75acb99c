"""Losses of the host on our maps: the right pairs and rows reach them."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from usot_plugin.models.losses.host_losses import HostBoxLoss, HostMapLoss
from usot_plugin.registry import MODELS


@MODELS.register_module()
class SeenPairs(nn.Module):
    """Keeps what it was called with, gives the mean distance of corners."""

    def forward(self, predicted, wanted, avg_factor=None):
        self.predicted, self.wanted, self.avg_factor = predicted, wanted, avg_factor
        return (predicted - wanted).abs().sum() / avg_factor


@MODELS.register_module()
class RowBCE(nn.Module):
    def forward(self, logits, target, avg_factor=None):
        assert logits.shape == target.shape and logits.shape[1] == 1
        return F.binary_cross_entropy_with_logits(logits, target, reduction='sum') / avg_factor


def test_positive_cells_become_boxes_around_themselves():
    loss = HostBoxLoss(dict(type='SeenPairs'))
    prediction = (
        torch.tensor([1.0, 2, 3, 4])[None, :, None, None].repeat(2, 1, 2, 2).requires_grad_()
    )
    target = torch.full((2, 4, 2, 2), 5.0)
    positive = torch.zeros(2, 2, 2, dtype=torch.bool)
    positive[0, 1, 0] = positive[1, 0, 1] = True
    value = loss(prediction, target, positive)
    assert loss.loss.avg_factor == 2
    assert loss.loss.predicted.tolist() == [[-1, -2, 3, 4]] * 2
    assert loss.loss.wanted.tolist() == [[-5, -5, 5, 5]] * 2
    value.backward()
    assert (prediction.grad.abs().sum(1) > 0).equal(positive)


def test_no_positive_cell_gives_zero_with_zero_gradient():
    prediction = torch.rand(1, 4, 3, 3, requires_grad=True)
    value = HostBoxLoss(dict(type='SeenPairs'))(
        prediction, torch.rand(1, 4, 3, 3), torch.zeros(1, 3, 3, dtype=torch.bool)
    )
    value.backward()
    assert value.item() == 0 and not prediction.grad.any()


@pytest.mark.parametrize(('average_over', 'number'), [('positives', 2), ('cells', 5)])
def test_rows_of_one_class(average_over, number):
    logits = torch.tensor([[0.5, -1.0, 2.0], [0.0, 3.0, -2.0]])
    label = torch.tensor([[1.0, 0, 0], [1, -1, 0]])  # -1 is ignored
    expected = sum(
        F.binary_cross_entropy_with_logits(x, y)
        for x, y in zip(logits.flatten(), label.flatten(), strict=True)
        if y >= 0
    )
    got = HostMapLoss(dict(type='RowBCE'), average_over)(logits, label)
    torch.testing.assert_close(got, expected / number)


def test_a_map_without_positives_is_averaged_over_one():
    got = HostMapLoss(dict(type='RowBCE'))(torch.zeros(2, 2), torch.zeros(2, 2))
    torch.testing.assert_close(got, 4 * torch.tensor(2.0).log())


def test_unknown_average_is_refused():
    with pytest.raises(ValueError, match='average_over'):
        HostMapLoss(dict(type='RowBCE'), 'batch')


@pytest.mark.full_host
@pytest.mark.parametrize('kind', ['IoULoss', 'GIoULoss', 'DIoULoss', 'CIoULoss', 'EIoULoss'])
def test_mmdets_box_losses_are_near_zero_on_like_boxes_and_fall_towards_them(kind):
    import mmdet.registry  # noqa: F401

    loss = HostBoxLoss(dict(type=f'mmdet.{kind}'))
    target = torch.full((1, 4, 2, 2), 20.0)
    positive = torch.ones(1, 2, 2, dtype=torch.bool)
    values = [float(loss(target * factor, target, positive)) for factor in (1.001, 1.3, 2.0)]
    assert values[0] == pytest.approx(0, abs=5e-3)
    assert values[0] < values[1] < values[2]


@pytest.mark.full_host
def test_mmdets_focal_loss_in_closed_form():
    import mmdet.registry  # noqa: F401

    loss = HostMapLoss(dict(type='mmdet.FocalLoss', gamma=2.0, alpha=0.25))
    # p = 0.5 everywhere: -alpha_t (1 - 0.5)^2 log 0.5, one positive and three negatives.
    got = loss(torch.zeros(1, 2, 2), torch.tensor([[[1.0, 0], [0, 0]]]))
    torch.testing.assert_close(got, (0.25 + 3 * 0.75) * 0.25 * torch.tensor(2.0).log())
