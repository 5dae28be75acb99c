"""Sub-pixel crops: whole windows, half pixels, the frame's border, and the release's mapping."""

from __future__ import annotations

import numpy as np

from usot_plugin.tracking.window_crop import crop_window

RAMP = np.repeat((4 * np.arange(40, dtype=np.uint8))[None, :, None], 30, 0).repeat(3, 2)


def test_a_window_of_whole_pixels_is_copied():
    rng = np.random.default_rng(8)
    image = rng.integers(0, 256, (30, 40, 3), dtype=np.uint8)
    assert np.array_equal(crop_window(image, (20, 15), (10, 8), (10, 8)), image[11:19, 15:25])


def test_half_a_pixel_and_twice_the_size():
    shifted = crop_window(RAMP, (20.5, 15), (10, 8), (10, 8))
    assert np.abs(shifted[0, :, 0].astype(int) - (4 * np.arange(15, 25) + 2)).max() <= 1
    doubled = crop_window(RAMP, (20, 15), (10, 8), (20, 16))
    assert np.abs(doubled[0, :, 0] - 4 * (15 + (np.arange(20) + 0.5) / 2 - 0.5)).max() <= 1


def test_outside_is_filled():
    crop = crop_window(RAMP + np.uint8(1), (0, 0), (10, 10), (10, 10), fill=(5, 6, 7))
    assert (crop[:5] == (5, 6, 7)).all() and (crop[5:, 5:, 0] > 0).all()
    assert (crop_window(RAMP, (500, 500), (10, 10), (4, 4)) == 0).all()


def test_legacy_shows_the_corners_of_the_window():
    crop = crop_window(RAMP, (20, 15), (10, 10), (11, 11), legacy=True)
    assert np.array_equal(crop[0, :, 0], RAMP[0, 15:26, 0])
