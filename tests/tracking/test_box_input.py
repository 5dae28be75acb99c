"""Boxes as users type them."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from usot_plugin.apis import InputError, boxes_from_json, check_boxes_in_frame, parse_box_xywh
from usot_plugin.tracking.box_input import has_display, select_boxes, window_size


@pytest.mark.parametrize('text', ['1,2,3,4', '1 2 3 4', '1.0, 2, 3e0,4'])
def test_box_becomes_corners(text):
    assert parse_box_xywh(text).tolist() == [1, 2, 4, 6]


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('1,2,3', 'got 3'),
        ('1,2,3,4,5', 'got 5'),
        ('', 'got 0'),
        ('1,2,three,4', "'three'"),
        ('nan,2,3,4', 'finite'),
        ('1,2,inf,4', 'finite'),
        ('1,2,0,4', 'positive, got 0 x 4'),
        ('1,2,3,-4', 'positive, got 3 x -4'),
    ],
)
def test_wrong_boxes_say_why(text, message):
    with pytest.raises(InputError, match=message):
        parse_box_xywh(text)


@pytest.mark.parametrize('text', ['[[1,2,3,4],[5,6,7,8]]', '{"boxes_xywh": [[1,2,3,4],[5,6,7,8]]}'])
def test_json(tmp_path, text):
    (tmp_path / 'b.json').write_text(text)
    assert boxes_from_json(tmp_path / 'b.json').tolist() == [[1, 2, 4, 6], [5, 6, 12, 14]]


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        (None, 'cannot be read'),
        ('[[1,2', 'not JSON'),
        ('[]', 'expected'),
        ('{"a": 1}', 'expected'),
        ('[1,2,3,4]', 'expected'),
        ('[[1,2,3,4],[1,2,3]]', 'box 1: a box is four numbers x,y,w,h, got 3'),
        ('[[1,2,3,null]]', 'box 0'),
        ('[[1,2,NaN,4]]', 'finite'),
    ],
)
def test_wrong_json_names_the_file(tmp_path, text, message):
    file = tmp_path / 'b.json'
    if text is not None:
        file.write_text(text)
    with pytest.raises(InputError) as caught:
        boxes_from_json(file)
    assert str(caught.value).startswith(str(file)) and message in str(caught.value)


@pytest.mark.parametrize(
    'box', [[100, 0, 110, 10], [0, 80, 10, 90], [-20, 0, 0, 10], [0, -20, 10, 0]]
)
def test_boxes_outside_the_frame(box):
    check_boxes_in_frame(np.array([[90, 70, 120, 90], [-5, -5, 5, 5]]), (100, 80), 'clip')
    with pytest.raises(InputError, match='clip: box .* lies outside the 100x80 frame'):
        check_boxes_in_frame(np.array(box), (100, 80), 'clip')


@pytest.mark.parametrize(
    ('box', 'message'),
    [([-150, 0, 60, 10], 'more than 2 times the 100x80'), ([1, 2], r'boxes are \(B, 4\)')],
)
def test_boxes_that_no_frame_can_hold(box, message):
    check_boxes_in_frame(np.array([-50, -40, 150, 120]), (100, 80), 'clip')
    with pytest.raises(InputError, match=f'clip: .*{message}'):
        check_boxes_in_frame(np.array(box), (100, 80), 'clip')


@pytest.mark.skipif(not sys.platform.startswith('linux'), reason='only Linux may have no display')
def test_the_mouse_needs_a_display(monkeypatch):
    monkeypatch.delenv('DISPLAY', raising=False)
    monkeypatch.delenv('WAYLAND_DISPLAY', raising=False)
    assert not has_display()
    with pytest.raises(InputError, match='there is no display'):
        select_boxes(np.zeros((10, 10, 3), np.uint8))


@pytest.mark.parametrize(
    ('frame', 'window'),
    [
        ((360, 240), (720, 480)),
        ((1000, 600), (1000, 600)),
        ((3840, 2160), (1280, 720)),
        ((2000, 1), (1280, 1)),
    ],
)
def test_small_frames_are_shown_larger_and_large_ones_smaller(frame, window):
    assert window_size(frame) == window


def test_drawn_boxes_come_back_in_frame_pixels(monkeypatch):
    import cv2

    monkeypatch.setenv('DISPLAY', ':0')
    monkeypatch.setattr(cv2, 'namedWindow', lambda *args: None)
    monkeypatch.setattr(cv2, 'destroyWindow', lambda *args: None)
    monkeypatch.setattr(
        cv2,
        'selectROIs',
        lambda title, image, **options: np.array([[20, 40, 60, 80], [5, 5, 0, 9]]),
    )
    frame = np.zeros((240, 360, 3), np.uint8)  # shown at twice its size
    np.testing.assert_allclose(select_boxes(frame), [[10, 20, 40, 60]])
