"""Noise-robust loss: moments against Monte-Carlo, the limit without noise, gradients, the ridge,
and what it forgives."""

from __future__ import annotations

import math

import pytest
import torch

from usot_plugin.models.losses.noise_robust import (
    NoiseRobustLoss,
    centred_offsets,
    inverse_quadratic_form,
    noisy_label_covariance,
    noisy_label_mean,
)

CELLS, STRIDE = 9, 8


def moved(*centres: tuple[float, float], cells: int = CELLS) -> torch.Tensor:
    """Offsets ``(B, 2, cells)`` from mined centres beside the middle."""
    return (
        centred_offsets(cells, STRIDE)[None]
        - torch.tensor(centres, dtype=torch.float64)[:, :, None]
    )


def gaussians(offsets_px: torch.Tensor, beta: float) -> torch.Tensor:
    """Labels ``(B, n, n)`` written out cell by cell."""
    x, y = offsets_px[:, 0, None, :], offsets_px[:, 1, :, None]
    return torch.exp(-(x.square() + y.square()) / (2 * beta))


@pytest.mark.parametrize(
    ('alpha', 'beta', 'shift'),
    [(36.0, 64.0, (0.0, 0.0)), (100.0, 49.0, (5.0, -11.0)), (9.0, 144.0, (-3.0, 20.0))],
)
def test_mean_and_covariance_equal_monte_carlo(alpha, beta, shift):
    offsets, draws, generator = moved(shift, cells=5), 200_000, torch.Generator().manual_seed(0)
    noise = torch.randn(draws, 2, 1, generator=generator, dtype=torch.float64) * math.sqrt(alpha)
    values = gaussians(offsets - noise, beta).flatten(1)
    mean = values.mean(0)
    assert (noisy_label_mean(offsets[0], alpha, beta).flatten() - mean).abs().max() < 3e-3
    covariance = values.T @ values / draws - mean[:, None] * mean[None]
    assert (noisy_label_covariance(offsets[0], alpha, beta) - covariance).abs().max() < 2e-3


def test_without_noise_it_is_the_squared_error():
    torch.manual_seed(0)
    responses, offsets = (
        torch.randn(3, CELLS, CELLS, dtype=torch.float64),
        moved((0, 0), (3, -4), (11, 2)),
    )
    mse = (responses - gaussians(offsets, 64.0)).square().mean().item()
    assert NoiseRobustLoss(0.0, 64.0, ridge=0.01)(responses, offsets).item() == pytest.approx(
        mse / 0.02, rel=1e-9
    )
    assert NoiseRobustLoss(1e-7, 64.0, ridge=0.01)(responses, offsets).item() == pytest.approx(
        mse / 0.02, rel=1e-4
    )
    assert NoiseRobustLoss(0.0, 64.0, ridge=0.5)(responses, offsets).item() == pytest.approx(
        mse, rel=1e-9
    )


@pytest.mark.parametrize(('alpha', 'ridge'), [(30.0, 5e-3), (0.0, 1e-3), (200.0, 1e-2)])
def test_quadratic_form_equals_a_plain_inverse(alpha, ridge):
    errors, offsets = torch.randn(2, CELLS, CELLS, dtype=torch.float64), moved((1, 2), (-9, 5))
    covariance = noisy_label_covariance(offsets, alpha, 64.0) + ridge * torch.eye(
        CELLS**2, dtype=torch.float64
    )
    flat = errors.flatten(1).unsqueeze(-1)
    expected = (flat * torch.linalg.solve(covariance, flat)).sum((1, 2))
    torch.testing.assert_close(
        inverse_quadratic_form(errors, offsets, alpha, 64.0, ridge), expected, rtol=1e-7, atol=0
    )


def test_gradient():
    responses = torch.randn(2, 5, 5, dtype=torch.float64, requires_grad=True)
    offsets = moved((1, 2), (-9, 5), cells=5)
    assert torch.autograd.gradcheck(lambda r: NoiseRobustLoss(30.0, 64.0)(r, offsets), responses)


def test_constant_inverse_of_a_centred_label_gives_the_same_and_is_not_saved():
    responses, centred = torch.randn(4, 15, 15), moved(*[(0, 0)] * 4, cells=15)
    constant = NoiseRobustLoss(40.0, 64.0, centred=dict(cells=15, stride=8))
    assert constant.centred_inverse.shape == (225, 225) and not constant.state_dict()
    assert constant(responses, centred).item() == pytest.approx(
        NoiseRobustLoss(40.0, 64.0)(responses, centred).item(), rel=1e-6
    )
    constant.centred_inverse.zero_()
    assert constant(responses, centred) == 0  # it is what is used ...
    aside = moved(*[(0, 0)] * 3, (3, 0), cells=15)
    assert constant(responses, aside).item() == pytest.approx(
        NoiseRobustLoss(40.0, 64.0)(responses, aside).item()
    )  # ... where it holds


def test_the_covariance_is_singular_and_the_ridge_bounds_the_inverse():
    covariance = noisy_label_covariance(centred_offsets(17, 8), 36.0, 64.0)
    values = torch.linalg.eigvalsh(covariance)
    assert values.min() > -1e-12 and (values > 1e-4).sum() < 60
    unexplained = torch.linalg.eigh(covariance)[1][:, 0].reshape(1, 17, 17)
    for ridge in (1e-3, 1e-2):
        form = inverse_quadratic_form(unexplained, centred_offsets(17, 8)[None], 36.0, 64.0, ridge)
        assert form.item() == pytest.approx(1 / ridge, rel=1e-6)


def test_a_moved_peak_costs_less_than_another_shape_of_the_same_squared_error():
    offsets = moved((0, 0), cells=15)
    mean = noisy_label_mean(offsets, 36.0, 64.0)
    aside = gaussians(moved((5, 3), cells=15), 64.0)
    noise = torch.randn(1, 15, 15, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    other = mean + noise * ((aside - mean).norm() / noise.norm())
    loss = NoiseRobustLoss(36.0, 64.0)
    assert loss(aside, offsets) < 0.2 * loss(other, offsets)


def test_an_absent_target_asks_for_nothing_and_half_precision_stays_finite():
    offsets = moved((0, 0), (math.nan, math.nan), cells=15)
    responses = torch.ones(2, 15, 15, dtype=torch.bfloat16, requires_grad=True)
    loss = NoiseRobustLoss(36.0, 64.0, ridge=0.5)
    value = loss(responses, offsets)
    value.backward()
    assert (
        value.dtype == torch.float32
        and torch.isfinite(value)
        and torch.isfinite(responses.grad).all()
    )
    assert loss(torch.ones(1, 15, 15), offsets[1:]).item() == pytest.approx(
        1.0
    )  # the squared error against 0


@pytest.mark.parametrize(
    'options', [dict(alpha_px2=-1), dict(beta_px2=0), dict(ridge=0), dict(alpha_px2=math.nan)]
)
def test_impossible_variances_are_refused(options):
    with pytest.raises(ValueError, match='NoiseRobustLoss'):
        NoiseRobustLoss(**options)


def test_an_unknown_noise_is_named():
    with pytest.raises(
        ValueError, match=r'alpha_px2 is not known; set it, or let tools/train_pul\.py'
    ):
        NoiseRobustLoss()(torch.zeros(1, 5, 5), moved((0, 0), cells=5))
