"""UDT+'s sample space: conjugate gradients against a direct solution, merging, and the rate that
adapts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from usot_plugin.models.layers.dcf import gaussian_label, peak_shift
from usot_plugin.tracking.udt.sample_space import (
    SampleSpaceUpdate,
    conjugate_gradients,
    high_resolution,
    inner,
    low_band,
)

SIDE = 9


def spectrum(seed: int, channels: int = 3) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.fft.rfft2(
        torch.randn(1, channels, SIDE, SIDE, dtype=torch.float64, generator=generator)
    )


def started(**options):
    online = SampleSpaceUpdate(**{'channels': 2, 'band': 3, 'size': 4, 'every': 2, **options})
    label = torch.fft.rfft2(
        gaussian_label((SIDE, SIDE), 1.0, like=torch.zeros(1, dtype=torch.float64))
    )[:, None]
    return online, online.start(spectrum(0), label, 1e-4, 1.0)


def test_low_band_and_back_is_the_identity_on_a_band_limited_map():
    low = low_band(spectrum(1)[0], 3)
    assert low.shape == (3, 7, 4)
    small = torch.fft.irfft2(low, s=(7, 7))
    torch.testing.assert_close(
        torch.fft.rfft2(small), torch.fft.rfft2(torch.fft.irfft2(torch.fft.rfft2(small), s=(7, 7)))
    )
    maps = high_resolution(torch.fft.rfft2(small), 14, 7)
    torch.testing.assert_close(maps[..., ::2, ::2], small)  # interpolation meets the samples


def test_inner_product_is_that_of_the_maps():
    a, b = (torch.randn(2, 7, 7, dtype=torch.float64) for _ in range(2))
    assert inner(torch.fft.rfft2(a), torch.fft.rfft2(b)).item() == pytest.approx(
        49 * (a * b).sum().item()
    )


def test_filter_solves_the_regularised_least_squares():
    online, state = started(penalty_edge=0.05, penalty_middle=0.01, first_iterations=400)
    # Slow twin: the operator's matrix, column by column, on real maps.
    sample, rows = state.samples[0], 7
    basis = torch.eye(2 * rows * rows, dtype=torch.float64).view(-1, 2, rows, rows)

    def apply(maps):
        spectra = torch.fft.rfft2(maps)
        data = sample.conj() * (sample * spectra).sum(0)
        return torch.fft.irfft2(data, s=(rows, rows)) + maps * state.penalty

    matrix = torch.stack([apply(column).flatten() for column in basis], 1)
    right = torch.fft.irfft2(sample.conj() * state.label, s=(rows, rows)).flatten()
    expected = torch.linalg.solve(matrix, right).view(2, rows, rows)
    torch.testing.assert_close(
        torch.fft.irfft2(state.filter, s=(rows, rows)), expected, rtol=1e-5, atol=1e-8
    )


def test_conjugate_gradients_are_exact_after_as_many_steps_as_unknowns():
    torch.manual_seed(6)
    diagonal = torch.rand(3, 2, dtype=torch.float64) + 0.5
    right = torch.fft.rfft2(torch.randn(3, 3, dtype=torch.float64))
    found = conjugate_gradients(
        lambda x: diagonal[0, 0] * x,
        right,
        torch.zeros_like(right),
        torch.ones(1, dtype=torch.float64),
        3,
    )
    torch.testing.assert_close(found, right / diagonal[0, 0])


def test_response_follows_a_shift_in_finer_cells():
    online, state = started(penalty_edge=1e-3, finer=2)
    moved = spectrum(0)
    moved = torch.fft.rfft2(torch.fft.irfft2(moved, s=(SIDE, SIDE)).roll((2, -3), (2, 3)))
    response = online.respond(state, moved, (SIDE, SIDE))
    assert response.shape == (1, 2 * SIDE, 2 * SIDE)
    assert peak_shift(response).tolist() == [[4, -6]]


def test_products_and_weights_stay_true_however_many_samples_come():
    for least in (0.0, 0.2):
        online, state = started(least_weight=least, rate=0.2)
        for seed in range(1, 12):
            state = online.update(state, spectrum(seed), 1.0)
            assert len(state.samples) <= 4 and state.weights.sum().item() == pytest.approx(1)
        expected = torch.tensor([[inner(a, b) for b in state.samples] for a in state.samples])
        torch.testing.assert_close(
            state.products, expected.to(state.products), rtol=1e-9, atol=1e-9
        )


def test_the_nearest_samples_become_one():
    online, state = started(least_weight=0.0, rate=0.5)
    far = [spectrum(seed) for seed in (1, 2)]
    near = spectrum(1) + 0.01 * spectrum(3)
    for sample in (*far, spectrum(4)):
        state = online.update(state, sample, 1.0)
    twin = state.samples[1]
    after = online.update(state, near, 1.0)
    assert len(after.samples) == 4
    assert torch.equal(after.samples[0], state.samples[0]) and torch.equal(
        after.samples[2], state.samples[2]
    )
    assert 0 < (after.samples[1] - twin).abs().max() < 0.1 * twin.abs().max()


def test_filter_is_solved_for_every_second_frame():
    online, state = started()
    first = online.update(state, spectrum(1), 1.0)
    second = online.update(first, spectrum(2), 1.0)
    assert torch.equal(first.filter, state.filter) and not torch.equal(second.filter, state.filter)
    assert (first.age, second.age) == (1, 0)


def test_doubtful_frames_weigh_less():
    online, state = started(rate=0.1)
    weights = [
        online.update(replace(state, mean_score=0.8), spectrum(1), score).weights[-1].item()
        for score in (0.9, 0.8, 0.4)
    ]
    assert weights == pytest.approx([0.1, 0.1, 0.025])
    unmoved = online.update(state, spectrum(1), 0.0)
    assert len(unmoved.samples) == 1
    assert unmoved.mean_score == pytest.approx(0.9)


def test_impossible_options_are_refused():
    for options in (dict(size=1), dict(rate=0.0), dict(every=0)):
        with pytest.raises(ValueError, match='SampleSpaceUpdate'):
            SampleSpaceUpdate(**options)
    assert np.isfinite(SampleSpaceUpdate().rate)
