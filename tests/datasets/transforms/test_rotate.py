from __future__ import annotations

import numpy as np
import pytest

from usot_plugin.datasets.transforms import View, ViewRotate


def view(image: np.ndarray, box=(20.0, 10, 30, 16)) -> View:
    return View(image, np.asarray(box, float), 0, np.array([9, 8, 7]))


def test_a_quarter_turn_is_exact():
    image = np.random.default_rng(0).integers(0, 256, (40, 40, 3)).astype(np.uint8)
    turned = ViewRotate(['template']).apply(view(image), 90.0)
    direction = next(k for k in (1, 3) if np.array_equal(turned.image, np.rot90(image, k)))
    x1, y1, x2, y2 = 20, 10, 30, 16
    expected = (y1, 40 - x2, y2, 40 - x1) if direction == 1 else (40 - y2, x1, 40 - y1, x2)
    assert turned.box_xyxy == pytest.approx(expected)


def test_the_box_turns_with_the_picture():
    image = np.zeros((100, 140, 3), np.uint8)
    image[30:34, 100:104] = 255
    turned = ViewRotate(['template']).apply(view(image, (100, 30, 104, 34)), 20.0)
    rows, columns = np.nonzero(turned.image.min(-1) > 100)
    middle = (turned.box_xyxy[:2] + turned.box_xyxy[2:]) / 2
    assert middle == pytest.approx([columns.mean() + 0.5, rows.mean() + 0.5], abs=0.3)
    assert (turned.image[0, 0] == (9, 8, 7)).all() or (turned.image[-1, 0] == (9, 8, 7)).all()


def test_angles_fill_their_range():
    transform, rng = ViewRotate(['template'], degrees=12), np.random.default_rng(0)
    angles = [transform.draw(None, rng)['angle_deg'] for _ in range(500)]
    assert -12 <= min(angles) < -11.5 and 11.5 < max(angles) <= 12


def test_an_impossible_angle_is_refused():
    with pytest.raises(ValueError, match='degrees'):
        ViewRotate(['template'], degrees=200)
