"""Masks on the grid of a box: run lengths, pasting at the border, and that both ways agree."""

from __future__ import annotations

import numpy as np
import pytest

from usot_plugin.structures.box_masks import (
    grid_from_mask,
    grid_to_runs,
    paste_in_box,
    resample_box,
    runs_to_grid,
)


def test_resampling_the_whole_image_changes_nothing():
    image = np.random.default_rng(0).random((9, 7)).astype(np.float32)
    np.testing.assert_allclose(resample_box(image, (0, 0, 7, 9), (7, 9)), image, atol=1e-6)
    np.testing.assert_allclose(
        resample_box(image, (2, 3, 5, 7), (3, 4)), image[3:7, 2:5], atol=1e-6
    )


def test_halving_averages_pairs():
    image = np.arange(16, dtype=np.float32).reshape(4, 4)
    expected = image.reshape(2, 2, 2, 2).mean((1, 3))
    np.testing.assert_allclose(resample_box(image, (0, 0, 4, 4), (2, 2)), expected, atol=1e-4)


@pytest.mark.parametrize(
    'box', [(-5, -5, 5, 5), (35, 20, 55, 60), (3.3, 4.6, 20.2, 17.9), (-10, -10, 60, 60)]
)
def test_pasting_stays_in_the_frame_and_covers_the_box(box):
    left, top, values = paste_in_box(np.ones((8, 8), np.float32), box, 40, 30)
    assert left >= 0 and left + values.shape[1] <= 40
    assert top >= 0 and top + values.shape[0] <= 30
    x, y = np.meshgrid(
        left + np.arange(values.shape[1]) + 0.5, top + np.arange(values.shape[0]) + 0.5
    )
    inside = (x > box[0] + 0.6) & (x < box[2] - 0.6) & (y > box[1] + 0.6) & (y < box[3] - 0.6)
    assert inside.any()
    assert (values[inside] > 0.5).all()


@pytest.mark.parametrize('box', [(50, 0, 60, 10), (3, 3, 3, 9), (np.nan,) * 4])
def test_nothing_to_paste_is_empty(box):
    assert paste_in_box(np.ones((8, 8), np.float32), box, 40, 30)[2].size == 0


def test_a_disc_survives_the_way_to_the_grid_and_back():
    y, x = np.mgrid[:120, :160]
    mask = np.hypot(x + 0.5 - 80, y + 0.5 - 60) < 30
    box = (50.0, 30.0, 110.0, 90.0)
    left, top, values = paste_in_box(grid_from_mask(mask, box).astype(np.float32), box, 160, 120)
    again = np.zeros_like(mask)
    again[top : top + values.shape[0], left : left + values.shape[1]] = values > 0.5
    assert (again & mask).sum() / (again | mask).sum() > 0.97


@pytest.mark.parametrize('fill', [0.0, 0.3, 1.0])
def test_runs_give_the_grid_back(fill):
    grid = np.random.default_rng(1).random((16, 16)) < fill
    np.testing.assert_array_equal(runs_to_grid(grid_to_runs(grid)), grid)


def test_no_runs_are_no_mask_and_odd_ones_are_refused():
    assert runs_to_grid([]) is None
    with pytest.raises(ValueError, match='fill a square, got 7 cells'):
        runs_to_grid([3, 4])
