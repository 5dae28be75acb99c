"""Appearance masking: the closed-form gradient, each step on known input, and what happens when
nothing can be erased."""

from __future__ import annotations

import pytest
import torch

from usot_plugin.models.layers.correlation import correlate_full
from usot_plugin.models.task_modules.appearance_masks import (
    channel_saliency,
    choose_region,
    erase,
    salient_regions,
)


def test_saliency_is_relu_of_feature_times_mean_gradient():
    # The slow twin is Eq. 6 to 8 word for word, with autograd.
    template = torch.randn(3, 5, 4, 4, dtype=torch.float64, requires_grad=True)
    search = torch.randn(3, 5, 9, 9, dtype=torch.float64)
    positive = torch.rand(3, 6, 6) > 0.7
    response = correlate_full(search, template)[:, 0]
    mean_positive = torch.stack([response[b][positive[b]].mean() for b in range(3)])
    (gradient,) = torch.autograd.grad(mean_positive.sum(), template)
    expected = (template * gradient.mean((2, 3), keepdim=True)).clamp(min=0)
    torch.testing.assert_close(channel_saliency(template, search, positive), expected)


def test_saliency_in_closed_form():
    # One channel, one positive cell: the gradient is the search patch under the template there,
    # mean 2.
    search = torch.zeros(1, 1, 3, 3)
    search[0, 0, 1:, 1:] = 2.0
    positive = torch.zeros(1, 2, 2, dtype=torch.bool)
    positive[0, 1, 1] = True
    template = torch.tensor([[[[1.0, -1.0], [0.5, 3.0]]]])
    assert channel_saliency(template, search, positive).flatten().tolist() == [2.0, 0.0, 1.0, 6.0]


def test_without_positive_cell_nothing_is_salient():
    saliency = channel_saliency(
        torch.randn(2, 3, 4, 4), torch.randn(2, 3, 9, 9), torch.zeros(2, 6, 6, dtype=torch.bool)
    )
    assert not saliency.any() and not salient_regions(saliency, 32).any()


def test_regions_are_stretched_over_all_channels_together():
    saliency = torch.zeros(1, 2, 4, 4)
    saliency[0, 0, 1, 1], saliency[0, 1, 2, 2] = 10.0, 4.0
    regions = salient_regions(saliency, 64)
    assert regions[0, 0].any() and not regions[0, 1].any()  # 4 is below half of 10
    rows, columns = regions[0, 0].nonzero().unbind(1)
    assert rows.float().mean() == pytest.approx(
        23.5, abs=0.01
    ) and columns.float().mean() == pytest.approx(23.5, abs=0.01)


def test_chosen_channels_erase_something_but_less_than_half():
    regions = torch.zeros(2, 4, 8, 8, dtype=torch.bool)
    regions[0, 1] = True  # everything
    regions[0, 2, :2] = True  # a quarter
    regions[0, 3, :4] = True  # exactly half: too much
    regions[1, 0] = True
    chosen = choose_region(regions, torch.Generator().manual_seed(0))
    assert torch.equal(chosen[0], regions[0, 2]) and not chosen[1].any()


def test_usable_channels_are_chosen_evenly_and_repeatably():
    regions = torch.zeros(3000, 3, 4, 4, dtype=torch.bool)
    for channel in range(3):
        regions[:, channel, channel] = True
    chosen = choose_region(regions, torch.Generator().manual_seed(5))
    counts = torch.stack([chosen[:, channel, 0] for channel in range(3)]).sum(1)
    assert counts.sum() == 3000 and (counts - 1000).abs().max() < 120
    assert torch.equal(chosen, choose_region(regions, torch.Generator().manual_seed(5)))


def test_erased_pixels_take_the_mean_colour():
    templates = torch.rand(2, 3, 8, 8)
    region = torch.zeros(2, 8, 8, dtype=torch.bool)
    region[0, 2:5, 1:3] = True
    erased = erase(templates, region)
    assert torch.equal(erased[1], templates[1])
    assert torch.equal(erased[0][:, ~region[0]], templates[0][:, ~region[0]])
    torch.testing.assert_close(
        erased[0][:, 2:5, 1:3], templates[0].mean((1, 2))[:, None, None].expand(-1, 3, 2)
    )
