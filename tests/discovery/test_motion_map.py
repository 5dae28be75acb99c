from __future__ import annotations

import numpy as np
import pytest

from usot_plugin.discovery.config import IntervalConfig, MapConfig
from usot_plugin.discovery.motion_map import (
    adapt_interval,
    distance_map,
    fit_within,
    map_boxes_to_frame,
    map_geometry,
)

NO_CUT = MapConfig(margin=0.0)


def speed(px_per_frame: float):
    """Flow of a scene that moves evenly, and the list of intervals it was asked for."""
    asked = []

    def flow_over(interval: int) -> np.ndarray:
        asked.append(interval)
        return np.full((4, 4, 2), (-px_per_frame * interval, 0), np.float32)

    return flow_over, asked


@pytest.mark.parametrize(
    ('px', 'start', 'asked'),
    [
        (3.0, 4, [4]),  # 12 px lie between the bounds
        (5.0, 4, [4, 3]),  # 20 is too fast, 15 fits
        (1.5, 4, [4, 5, 6]),  # 6 and 7.5 are too slow, 9 fits
        (0.1, 4, [4, 5, 6, 7]),  # never fast enough: the upper end
        (50.0, 4, [4, 3, 2, 1]),  # never slow enough: the lower end
        (16.0, 1, [1]),  # the bound itself is not too fast
        (8.0, 1, [1]),  # the bound itself is not too slow
    ],
)
def test_interval_follows_the_speed(px, start, asked):
    flow_over, calls = speed(px)
    flow_uv, interval = adapt_interval(flow_over, start, IntervalConfig())
    assert calls == asked
    assert interval == asked[-1]
    assert flow_uv[0, 0, 0] == pytest.approx(-px * interval)


def test_interval_never_turns_within_a_frame():
    # 20 px at 4 frames sends it down; 7 px at 3 frames would send it up again, to 4, and so on for
    # ever.
    peaks = {4: 20.0, 3: 7.0}
    flow_uv, interval = adapt_interval(
        lambda i: np.full((2, 2, 2), peaks[i], np.float32), 4, IntervalConfig()
    )
    assert interval == 3
    assert flow_uv.max() == 7


def test_interval_counts_in_the_unit_of_the_config():
    flow_over, calls = speed(3.0)
    adapt_interval(flow_over, 4, IntervalConfig(), unit_xy=(2.0, 2.0))  # 24 px of the full frame
    assert calls == [4, 3, 2]


def test_distance_of_a_moving_quarter():
    # A quarter moves by (4, 0), the rest stands: the mean is (1, 0), so D is 3 inside and 1
    # outside.
    flow_uv = np.zeros((8, 8, 2), np.float32)
    flow_uv[:4, :4] = (4, 0)
    distance = distance_map(flow_uv, map_geometry((8, 8), NO_CUT))
    assert (distance[:4, :4] == 3).all()
    assert (distance[4:] == 1).all()


def test_distance_equals_its_definition_and_ignores_camera_pan():
    flow_uv = np.random.default_rng(0).normal(0, 3, (64, 96, 2)).astype(np.float32)
    geometry = map_geometry((96, 64), MapConfig())
    assert geometry.inner_xyxy == (3, 2, 93, 62)
    cut = flow_uv[2:-2, 3:-3].astype(np.float64)
    expected = np.linalg.norm(cut - cut.mean((0, 1)), axis=-1)
    np.testing.assert_allclose(distance_map(flow_uv, geometry), expected, atol=1e-4)
    np.testing.assert_allclose(
        distance_map(flow_uv + np.float32([7, -5]), geometry), expected, atol=1e-4
    )


@pytest.mark.parametrize(
    ('size', 'inner'),
    [
        # int(side / 32) to int(31 side / 32), as in the release: where 32 is no divisor of a side,
        # its far end loses one pixel more than its near end.
        ((640, 384), (20, 12, 620, 372)),
        ((640, 360), (20, 11, 620, 348)),
        ((320, 240), (10, 7, 310, 232)),
        ((216, 384), (6, 12, 209, 372)),
        ((31, 33), (0, 1, 30, 31)),
    ],
)
def test_the_margin_is_the_releases(size, inner):
    geometry = map_geometry(size, MapConfig())
    assert geometry.inner_xyxy == inner
    x1, y1, x2, y2 = inner
    flow_uv = np.full((size[1], size[0], 2), 50.0, np.float32)
    flow_uv[y1:y2, x1:x2] = 0
    distance = distance_map(flow_uv, geometry)
    assert distance.shape == (y2 - y1, x2 - x1) and not distance.any()


def test_a_margin_leaves_at_least_one_pixel():
    assert map_geometry((17, 16), MapConfig(margin=0.499)).inner_xyxy == (8, 7, 9, 8)


def test_distance_in_pixels_of_the_frame():
    config = MapConfig(margin=0.0, pixel_unit='frame', size_wh=(32, 32))
    geometry = map_geometry((64, 64), config)
    flow_uv = np.random.default_rng(0).normal(0, 1, (32, 32, 2)).astype(np.float32)
    np.testing.assert_allclose(
        distance_map(flow_uv, geometry),
        2 * distance_map(flow_uv, map_geometry((32, 32), NO_CUT)),
        rtol=1e-5,
    )
    assert geometry.frame_per_unit == 1


@pytest.mark.parametrize(
    ('size', 'fitted'),
    [
        ((1280, 720), (640, 360)),
        ((720, 1280), (216, 384)),
        ((320, 240), (320, 240)),
        ((1281, 723), (640, 361)),
        ((5000, 4), (640, 1)),
    ],
)
def test_frames_are_shrunk_to_fit_and_never_enlarged(size, fitted):
    assert fit_within(size, (640, 384)) == fitted


def test_boxes_come_back_to_the_frame():
    geometry = map_geometry((1280, 720), MapConfig())
    assert geometry.map_wh == (640, 360)
    assert geometry.inner_xyxy == (20, 11, 620, 348)
    assert geometry.frame_per_unit == 2
    assert map_boxes_to_frame(np.array([[0, 0, 10, 20]]), geometry).tolist() == [[40, 22, 60, 62]]
    assert map_boxes_to_frame(np.empty((0, 4)), geometry).shape == (0, 4)
