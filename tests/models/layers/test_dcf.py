"""Correlation filter layer: closed form, explicit circulant ridge regression, gradients, and odd
and even sizes."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from usot_plugin.models.layers.dcf import CorrelationFilter, gaussian_label, peak_shift


def circulant(plane: np.ndarray) -> np.ndarray:
    """``(H W, H W)``: row (i, j) holds the map shifted so that its product with a filter is the
    response at (i, j)."""
    height, width = plane.shape
    rows = [np.roll(plane, (-i, -j), (0, 1)).ravel() for i in range(height) for j in range(width)]
    return np.array(rows)


@pytest.mark.parametrize('normalise', [False, True])
@pytest.mark.parametrize('size_hw', [(5, 4), (4, 5), (5, 7)])
def test_filter_equals_explicit_ridge_regression(size_hw, normalise):
    rng = np.random.default_rng(0)
    template, search = rng.normal(size=(2, 3, *size_hw))
    label, lam = rng.normal(size=size_hw), 0.7
    shifted = np.concatenate([circulant(plane) for plane in template], 1)
    scale = 3 * math.prod(size_hw) if normalise else 1
    weights = np.linalg.solve(
        shifted.T @ shifted + scale * lam * np.eye(shifted.shape[1]), shifted.T @ label.ravel()
    )
    expected = (np.concatenate([circulant(plane) for plane in search], 1) @ weights).reshape(
        size_hw
    )
    layer = CorrelationFilter(lam, normalise)
    got = layer(
        torch.from_numpy(template)[None],
        torch.from_numpy(search)[None],
        torch.from_numpy(label)[None],
    )
    np.testing.assert_allclose(got[0].numpy(), expected, atol=1e-12)


def test_one_pixel_has_the_closed_form_of_scalar_ridge():
    layer = CorrelationFilter(regularisation=2.0, normalise=False)
    template, search, label = (
        torch.full((1, 1, 1, 1), value, dtype=torch.float64) for value in (3.0, 5.0, 4.0)
    )
    assert layer(template, search, label[:, 0]).item() == pytest.approx(3 * 4 / (9 + 2) * 5)


def test_gradients_agree_with_finite_differences():
    torch.manual_seed(1)
    template, search = (
        torch.randn(2, 2, 4, 5, dtype=torch.float64, requires_grad=True) for _ in range(2)
    )
    label = torch.randn(2, 4, 5, dtype=torch.float64, requires_grad=True)
    for normalise in (False, True):
        assert torch.autograd.gradcheck(
            CorrelationFilter(0.3, normalise), (template, search, label)
        )


def test_a_shifted_search_map_moves_the_response_by_as_much():
    torch.manual_seed(2)
    template = torch.randn(1, 3, 13, 11, dtype=torch.float64)
    label = gaussian_label((13, 11), 1.2, like=template)
    shifts = torch.tensor([[0, 0], [2, -3], [-6, 5]])
    search = torch.cat([template.roll(tuple(shift.tolist()), (2, 3)) for shift in shifts])
    responses = CorrelationFilter(1e-3)(template, search, label)
    assert torch.equal(peak_shift(responses), shifts)


def test_label_is_a_wrapped_gaussian_with_fractional_peak():
    label = gaussian_label(
        (7, 6),
        1.5,
        torch.tensor([[0.0, 0.0], [-1.25, 2.5]], dtype=torch.float64),
        torch.zeros(1, dtype=torch.float64),
    )
    assert label[0, 0, 0] == 1 and label[0, 6, 0] == label[0, 1, 0] == pytest.approx(
        math.exp(-0.5 / 1.5**2)
    )
    for row in range(7):
        for column in range(6):
            squares = [
                min((at - peak - k * size) ** 2 for k in (-1, 0, 1))
                for at, peak, size in ((row, -1.25, 7), (column, 2.5, 6))
            ]
            assert label[1, row, column].item() == pytest.approx(
                math.exp(-0.5 / 1.5**2 * sum(squares)), rel=1e-12
            )


def test_a_flat_or_broken_response_has_not_moved():
    maps = torch.stack(
        [
            torch.zeros(5, 5),
            torch.full((5, 5), 3.0),
            torch.eye(5).roll(1, 0),
            torch.full((5, 5), torch.nan),
        ]
    )
    maps[2, 0, 4] = 9
    maps[3, 2, 2] = 1
    assert peak_shift(maps).tolist() == [[0, 0], [0, 0], [0, -1], [0, 0]]


def test_an_all_zero_template_gives_a_zero_response():
    layer = CorrelationFilter()
    response = layer(torch.zeros(1, 2, 5, 5), torch.randn(1, 2, 5, 5), gaussian_label((5, 5), 1.0))
    assert torch.equal(response, torch.zeros(1, 5, 5))


def test_half_precision_features_are_filtered_in_full():
    features = torch.randn(1, 2, 9, 9)
    layer = CorrelationFilter()
    label = gaussian_label((9, 9), 1.0)
    rounded = features.bfloat16()
    assert torch.equal(
        layer(rounded, rounded, label), layer(rounded.float(), rounded.float(), label)
    )
