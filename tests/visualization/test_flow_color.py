from __future__ import annotations

import cv2
import numpy as np

from usot_plugin.visualization.flow_color import color_wheel, flow_to_color


def test_still_is_white_and_direction_is_hue():
    flow_uv = np.zeros((1, 5, 2), np.float32)
    flow_uv[0, 1:] = [(2, 0), (0, 2), (-2, 0), (0, -2)]
    colors = flow_to_color(flow_uv, full_px=2)
    assert colors.dtype == np.uint8 and (colors[0, 0] == 255).all()
    hue = cv2.cvtColor(colors, cv2.COLOR_RGB2HSV)[0, 1:, 0].astype(int) * 2
    assert np.abs(hue - [0, 90, 180, 270]).max() <= 2


def test_faster_than_full_stays_full_and_slower_is_paler():
    flow_uv = np.float32([[(1, 0), (2, 0), (9, 0)]])
    saturation = cv2.cvtColor(flow_to_color(flow_uv, full_px=2), cv2.COLOR_RGB2HSV)[0, :, 1].astype(
        int
    )
    assert saturation[0] < saturation[1] == saturation[2] == 255


def test_no_motion_at_all_does_not_divide_by_zero():
    assert (flow_to_color(np.zeros((4, 4, 2), np.float32)) == 255).all()


def test_wheel_is_a_disc_of_the_same_colors():
    wheel = color_wheel(65)
    assert wheel.shape == (65, 65, 4) and wheel[0, 0, 3] == 0 and wheel[32, 32, 3] == 255
    np.testing.assert_array_equal(
        wheel[32, 64, :3], flow_to_color(np.float32([[(1, 0)]]), 1.0)[0, 0]
    )
