"""Drawing: what is drawn where, and that nothing else changes."""

from __future__ import annotations

import numpy as np
import pytest

from usot_plugin.structures.regions import MaskRegion
from usot_plugin.visualization.overlay import LOST_BGR, draw_targets, target_color

BOX = np.array([[100.0, 100, 160, 180]])


@pytest.fixture
def frame() -> np.ndarray:
    return np.full((240, 320, 3), 40, np.uint8)


def drawn(image: np.ndarray, color: tuple[int, int, int]) -> np.ndarray:
    return (np.abs(image.astype(int) - color) < 30).all(-1)


def test_outline_lies_on_the_box_and_nowhere_else(frame):
    image = draw_targets(frame, BOX)
    mask = drawn(image, target_color(0))
    assert mask[125:175, 100].all() and mask[105:175, 159].all() and mask[179, 105:155].all()
    np.testing.assert_array_equal(image[125:175, 105:155], frame[125:175, 105:155])
    np.testing.assert_array_equal(image[185:], frame[185:])


def test_the_frame_itself_is_not_touched(frame):
    before = frame.copy()
    assert draw_targets(frame, BOX, np.array([0.5]), caption='x') is not frame
    np.testing.assert_array_equal(frame, before)


def test_lost_targets_look_different(frame):
    found, lost = (draw_targets(frame, BOX, lost=np.array([flag])) for flag in (False, True))
    side_found, side_lost = (
        drawn(found, target_color(0))[125:175, 100],
        drawn(lost, LOST_BGR)[125:175, 100],
    )
    assert side_found.all() and 0.2 < side_lost.mean() < 0.9
    assert not drawn(lost, target_color(0)).any()


def test_score_and_id_are_written(frame):
    plain, scored = draw_targets(frame, BOX), draw_targets(frame, BOX, np.array([0.87]))
    assert drawn(scored, target_color(0)).sum() > drawn(plain, target_color(0)).sum()
    assert not np.array_equal(draw_targets(frame, BOX, ids=[3]), plain)


def test_absent_boxes_are_not_drawn(frame):
    np.testing.assert_array_equal(draw_targets(frame, np.full((2, 4), np.nan), np.ones(2)), frame)
    np.testing.assert_array_equal(draw_targets(frame, np.empty((0, 4))), frame)


@pytest.mark.parametrize(
    'box',
    [
        [-1e12, -1e12, 1e12, 1e12],
        [-50, -50, 20, 20],
        [310, 230, 400, 400],
        [500, 500, 600, 600],
        [10, 10, 10.2, 10.2],
    ],
)
@pytest.mark.parametrize('lost', [False, True])
def test_boxes_beyond_the_frame(frame, box, lost):
    image = draw_targets(
        frame, np.array([box]), np.array([0.5]), np.array([lost]), caption='frame 1'
    )
    assert image.shape == frame.shape and not np.array_equal(image, frame)


@pytest.mark.parametrize('size', [(1, 1), (8, 8), (17, 900), (2160, 3840)])
def test_any_frame_size(size):
    image = draw_targets(
        np.zeros((*size, 3), np.uint8),
        np.array([[0.0, 0, size[1], size[0]]]),
        np.array([1.0]),
        caption='frame',
    )
    assert image.shape == (*size, 3) and image.any()


def test_annotation_is_white(frame):
    assert drawn(draw_targets(frame, np.empty((0, 4)), annotated_xyxy=BOX), (255, 255, 255))[
        105:175, 100
    ].all()


def test_colors_stay_and_differ():
    colors = [target_color(index) for index in range(8)]
    assert colors == [target_color(index) for index in range(8)] and len(set(colors)) == 8


def test_masks_are_tinted_and_show_the_picture(frame):
    frame[:, 130:] = 90
    mask = np.zeros((20, 40), bool)
    mask[5:15, 10:30] = True
    image = draw_targets(
        frame, np.full((2, 4), np.nan), regions=[None, MaskRegion(mask, left=110, top=100)]
    )
    changed = (image != frame).any(-1)
    assert changed[105:115, 120:140].all() and changed.sum() == 200
    np.testing.assert_allclose(
        image[110, 125], 0.55 * 40 + 0.45 * np.array(target_color(1)), atol=1
    )
    np.testing.assert_allclose(
        image[110, 135], 0.55 * 90 + 0.45 * np.array(target_color(1)), atol=1
    )


def test_an_empty_mask_tints_nothing(frame):
    image = draw_targets(
        frame, np.full((1, 4), np.nan), regions=[MaskRegion(np.zeros((0, 0), bool))]
    )
    np.testing.assert_array_equal(image, frame)
