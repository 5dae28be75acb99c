from __future__ import annotations

import cv2
import numpy as np
import pytest
from pytest import approx

from usot_plugin.datasets.transforms import (
    GroupGray,
    View,
    ViewBrightness,
    ViewCoarseDropout,
    ViewFlip,
    ViewHueSaturation,
    ViewMotionBlur,
    ViewPerspective,
    ViewSaltPepper,
)
from usot_plugin.datasets.transforms.augment import (
    drop_cells,
    motion_blur,
    salt_and_pepper,
    scale_brightness,
    scale_hue_saturation,
    warp_view,
)

TRANSFORMS = [
    ViewBrightness,
    ViewCoarseDropout,
    ViewFlip,
    ViewHueSaturation,
    ViewMotionBlur,
    ViewPerspective,
    ViewSaltPepper,
]


@pytest.fixture
def view() -> View:
    image = cv2.GaussianBlur(
        np.random.default_rng(0).integers(0, 256, (127, 127, 3), np.uint8), (5, 5), 0
    )
    return View(image, np.array([30.0, 40.0, 90.0, 80.0]), 3, np.array([100.0, 110.0, 120.0]))


def apply(transform, view, seed=0) -> View:
    results = {
        'views': {'template': [view]},
        'view_names': ('template',),
        'rng': np.random.default_rng(seed),
    }
    return transform(results)['views']['template'][0]


@pytest.mark.parametrize('kind', TRANSFORMS)
def test_every_transform_keeps_size_kind_and_input_and_repeats(kind, view):
    before = view.image.copy()
    first, again, other = (apply(kind(['template'], prob=1.0), view, seed) for seed in (1, 1, 2))
    assert first.image.shape == view.image.shape and first.image.dtype == np.uint8
    np.testing.assert_array_equal(first.image, again.image)
    np.testing.assert_array_equal(view.image, before)
    if kind is not ViewFlip:
        assert (first.image != other.image).any()
    assert first.frame_index == 3


def test_gray_is_a_matter_of_the_whole_group(view):
    group = {
        'views': {'template': [view], 'search': [view, view]},
        'view_names': ('template', 'search'),
    }
    transform = GroupGray(['template', 'search'], prob=0.5)
    grays = []
    for seed in range(40):
        views = transform({**group, 'rng': np.random.default_rng(seed)})['views']
        flags = {
            bool(np.ptp(one.image, axis=2).max() == 0)
            for one in views['template'] + views['search']
        }
        assert len(flags) == 1
        grays.append(flags.pop())
    assert 10 < sum(grays) < 30
    np.testing.assert_array_equal(
        apply(GroupGray(['template']), view).image[..., 0],
        cv2.cvtColor(view.image, cv2.COLOR_BGR2GRAY),
    )


@pytest.mark.parametrize('kind', TRANSFORMS)
def test_probability_zero_is_identity_and_a_half_is_a_half(kind, view):
    assert apply(kind(['template'], prob=0.0), view) is view
    changed = sum(
        apply(kind(['template'], prob=0.5), view, seed) is not view for seed in range(200)
    )
    assert 70 <= changed <= 130 or kind is ViewCoarseDropout  # a dropout may draw no cell at all


@pytest.mark.parametrize(
    'kind', [ViewBrightness, ViewHueSaturation, ViewMotionBlur, ViewCoarseDropout, ViewSaltPepper]
)
def test_photometric_changes_leave_the_box_alone(kind, view):
    np.testing.assert_array_equal(apply(kind(['template']), view).box_xyxy, view.box_xyxy)


def test_a_wrong_probability_or_range_is_refused():
    with pytest.raises(ValueError, match='probability'):
        ViewFlip(['template'], prob=1.5)
    with pytest.raises(ValueError, match='factor must be two ascending'):
        ViewBrightness(['template'], factor=(1.5, 0.5))
    with pytest.raises(ValueError, match='no odd length'):
        ViewMotionBlur(['template'], kernel=(4, 4))


def test_the_identity_of_each_function(view):
    image = view.image
    np.testing.assert_array_equal(scale_brightness(image, 1.0), image)
    np.testing.assert_array_equal(motion_blur(image, 1, 0.0), image)
    np.testing.assert_array_equal(drop_cells(image, np.zeros((4, 4), bool)), image)
    # There and back through 8-bit HSV costs a few grey values.
    assert np.abs(scale_hue_saturation(image, 1.0, 1.0).astype(int) - image).max() <= 6
    corners = np.array([[0, 0], [127, 0], [127, 127], [0, 127]])
    same = warp_view(view, corners)
    np.testing.assert_array_equal(same.image, image)
    np.testing.assert_allclose(same.box_xyxy, view.box_xyxy, atol=1e-4)


def test_brightness_multiplies_and_clips():
    image = np.full((4, 4, 3), 200, np.uint8)
    assert (scale_brightness(image, 0.5) == 100).all() and (
        scale_brightness(image, 1.5) == 255
    ).all()


def test_saturation_zero_is_grey_and_hue_turns_around_the_circle():
    image = np.zeros((2, 2, 3), np.uint8)
    image[:] = (0, 0, 255)[::-1]  # blue, hue 120 of 180
    grey = scale_hue_saturation(image, 1.0, 0.0)
    assert (grey == 255).all()
    green = scale_hue_saturation(image, 0.5, 1.0)  # hue 60
    assert tuple(green[0, 0]) == (0, 255, 0)
    red = scale_hue_saturation(image, 1.5, 1.0)  # hue 180 = 0
    assert tuple(red[0, 0]) == (0, 0, 255)


def test_motion_blur_spreads_a_point_along_its_line():
    image = np.zeros((21, 21, 3), np.uint8)
    image[10, 10] = 250
    flat = motion_blur(image, 5, 0.0)[..., 0]
    assert flat[10, 8:13].tolist() == [50] * 5 and flat.sum() == 250
    upright = motion_blur(image, 5, 90.0)[..., 0]
    assert upright[8:13, 10].tolist() == [50] * 5


def test_salt_and_pepper_hits_the_wanted_share(view):
    shares = []
    for seed in range(20):
        changed = (apply(ViewSaltPepper(['template']), view, seed).image != view.image).any(-1)
        shares.append(changed.mean())
    # 5 % of draws with replacement hit 1 - exp(-0.05) = 4.9 % of the pixels, a few with their old
    # value.
    assert np.mean(shares) == approx(0.048, abs=0.002)
    noisy = salt_and_pepper(view.image, np.array([0, 128]), np.array([0, 255], np.uint8))
    assert (noisy[0, 0] == 0).all() and (noisy[1, 1] == 255).all()


def test_dropout_blacks_out_at_most_a_few_percent_on_average(view):
    bright = View(np.full((127, 127, 3), 200, np.uint8), view.box_xyxy, 0, view.fill)
    shares = [
        (apply(ViewCoarseDropout(['template']), bright, seed).image == 0).mean()
        for seed in range(300)
    ]
    assert np.mean(shares) == approx(
        0.025, abs=0.005
    )  # cells drop with a probability between 0 and 5 %
    dropped = drop_cells(bright.image, np.eye(4, dtype=bool))
    assert (dropped[:31, :31] == 0).all() and (dropped[:31, 40:] == 200).all()


def test_perspective_zooms_in_so_nothing_outside_shows(view):
    white = View(np.full((127, 127, 3), 255, np.uint8), view.box_xyxy, 0, np.zeros(3))
    for seed in range(30):
        inner = apply(ViewPerspective(['template'], scale=(0.05, 0.15)), white, seed).image[
            1:-1, 1:-1
        ]
        assert inner.min() == 255


def test_warped_points_follow_the_homography(view):
    corners = np.array([[10, 5], [120, 0], [127, 120], [3, 127]], float)
    warped = warp_view(view, corners)
    # Slow twin: solve for the homography and map the four corners of the box one by one.
    target = [(0, 0), (127, 0), (127, 127), (0, 127)]
    rows = []
    for (x, y), (u, v) in zip(corners, target, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y, -u], [0, 0, 0, x, y, 1, -v * x, -v * y, -v]]
    matrix = np.linalg.svd(np.array(rows, float))[2][-1].reshape(3, 3)
    points = []
    for x in view.box_xyxy[[0, 2]]:
        for y in view.box_xyxy[[1, 3]]:
            u, v, w = matrix @ (x, y, 1)
            points.append((u / w, v / w))
    expected = (*np.min(points, 0), *np.max(points, 0))
    assert warped.box_xyxy == approx(np.array(expected), abs=1e-3)
