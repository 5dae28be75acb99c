from __future__ import annotations

import hashlib
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from pytest import approx

from usot_plugin.structures.crops import (
    boxes_from_crop,
    boxes_to_crop,
    context_side,
    crop_region,
    crop_square,
    mean_color,
    rect_region,
    square_region,
)

GOLDEN = Path(__file__).parents[1] / 'golden' / 'usot'


def padded_crop(image: np.ndarray, center_xy, side: int, out: int, fill) -> np.ndarray:
    """Slow twin: pads the whole frame on every side, then cuts."""
    height, width = image.shape[:2]
    pad = side + max(abs(round(center_xy[0])), abs(round(center_xy[1]))) + 2
    canvas = np.empty((height + 2 * pad, width + 2 * pad, 3), np.uint8)
    canvas[:] = np.asarray(fill).astype(np.uint8)
    canvas[pad : pad + height, pad : pad + width] = image
    x, y = (round(center_xy[axis] - (side + 1) / 2) + pad for axis in (0, 1))
    return cv2.resize(canvas[y : y + side, x : x + side], (out, out))


def test_release_crops_bit_for_bit():
    """Crops of the USOT release; see golden/usot/ORIGIN_crops.md."""
    arrays = np.load(GOLDEN / 'crops.npz')
    cases = json.loads((GOLDEN / 'crops.json').read_text())['cases']
    assert len(cases) == 10
    for number, case in enumerate(cases):
        crop = crop_square(
            arrays['image'], case['pos'], case['original_sz'], case['model_sz'], arrays['avg']
        )
        np.testing.assert_array_equal(crop, arrays[f'crop{number}'], err_msg=f'case {number}')
        assert hashlib.sha1(crop.tobytes()).hexdigest() == case['sha1']


@pytest.mark.parametrize(
    'center', [(30, 20), (0, 0), (-40.5, 10), (200, 90), (59.5, 39.5), (12.25, 77.75)]
)
@pytest.mark.parametrize('side', [1, 2, 9, 40, 41, 200])
def test_same_as_padding_the_whole_frame(center, side):
    image = np.random.default_rng(0).integers(0, 255, (80, 120, 3), np.uint8)
    fill = (10.9, 20.1, 30.5)
    np.testing.assert_array_equal(
        crop_square(image, center, side, 33, fill), padded_crop(image, center, side, 33, fill)
    )


def test_a_crop_outside_the_frame_is_the_fill_truncated():
    image = np.zeros((10, 10, 3), np.uint8)
    assert (crop_square(image, (500, 500), 20, 8, (9.9, 8.5, 7.1)) == (9, 8, 7)).all()


def test_a_crop_is_no_view():
    image = np.zeros((40, 40, 3), np.uint8)
    crop = crop_square(image, (20, 20), 16, 16, (0, 0, 0))
    crop[:] = 255
    assert not image.any()


def test_context_side_of_a_square_box_is_twice_its_side():
    # w = h = s, c = s: sqrt(2s * 2s) = 2s
    assert context_side(40, 40) == approx(80)
    assert context_side(30, 10, context=0) == approx(300**0.5)


def test_region_sides_are_rounded_and_refused_when_empty():
    assert square_region((50, 50), 20.4) == (40, 40, 60, 60)  # 50 - 10.5 = 39.5 rounds half to even
    assert rect_region((50, 50), (10, 21)) == (44, 39, 54, 60)
    with pytest.raises(ValueError, match='at least one pixel'):
        square_region((0, 0), 0.3)
    with pytest.raises(ValueError, match='finite'):
        square_region((float('nan'), 0), 4)


@pytest.mark.parametrize(
    'region, out',
    [((10, 5, 74, 69), (127, 127)), ((-20, -30, 40, 60), (255, 255)), ((3, 3, 90, 40), (100, 51))],
)
def test_a_white_rectangle_is_where_its_box_says(region, out):
    box = np.array([22.0, 17.0, 36.0, 33.0])
    image = np.zeros((120, 150, 3), np.uint8)
    image[17:33, 22:36] = 255
    rows, cols = np.where(crop_region(image, region, out, (0, 0, 0))[..., 0] > 127)
    measured = np.array([cols.min(), rows.min(), cols.max() + 1, rows.max() + 1])
    assert np.abs(measured - boxes_to_crop(box, region, out)).max() <= 1


def test_boxes_come_back():
    boxes = np.random.default_rng(1).uniform(-50, 300, (7, 3, 4))
    region, out = (-13, 40, 77, 177), (127, 255)
    np.testing.assert_allclose(
        boxes_from_crop(boxes_to_crop(boxes, region, out), region, out), boxes, atol=1e-9
    )


def test_mean_color_is_the_mean():
    image = np.random.default_rng(2).integers(0, 255, (31, 17, 3), np.uint8)
    np.testing.assert_allclose(mean_color(image), image.mean((0, 1)))
