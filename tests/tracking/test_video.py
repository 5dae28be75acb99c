"""Following targets through clips and frame by frame."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.evaluation.tiny_benchmark import TemplateMatcher
from usot_plugin.apis import InputError, OnlineTracker, as_bgr_u8, track_video
from usot_plugin.structures.clip import ArrayClip, ClipError
from usot_plugin.structures.regions import MaskRegion
from usot_plugin.testing.media import moving_square_frames, write_frames, write_video
from usot_plugin.tracking import StandStill


@pytest.fixture(scope='module')
def square():
    return moving_square_frames(10)


def test_a_target_is_followed(square):
    frames, boxes = square
    (track,) = track_video(TemplateMatcher(), ArrayClip(frames), boxes[0])
    assert len(track) == 10
    np.testing.assert_allclose(track.boxes_xyxy, boxes, atol=1.5)


def test_files_and_folders_give_the_same(square, tmp_path):
    frames, boxes = square
    folder = write_frames(tmp_path / 'frames', frames)
    video = write_video(tmp_path / 'clip.mp4', frames)
    of_folder, of_video = (
        track_video(TemplateMatcher(), path, boxes[0])[0] for path in (folder, video)
    )
    np.testing.assert_allclose(of_folder.boxes_xyxy, of_video.boxes_xyxy, atol=1)


def test_several_targets_are_independent(square):
    frames, boxes = square
    other = np.array([5.0, 40, 25, 60])
    both = track_video(TemplateMatcher(), ArrayClip(frames), np.stack([boxes[0], other]))
    alone = [track_video(TemplateMatcher(), ArrayClip(frames), box)[0] for box in (boxes[0], other)]
    for together, single in zip(both, alone, strict=True):
        np.testing.assert_array_equal(together.boxes_xyxy, single.boxes_xyxy)


def test_part_of_a_clip_and_early_end(square):
    frames, boxes = square
    seen = []

    def on_frame(index, frame, prediction):
        seen.append(index)
        assert np.array_equal(frame, frames[index]) and prediction.boxes_xyxy.shape == (1, 4)
        return index < 6

    (track,) = track_video(TemplateMatcher(), ArrayClip(frames), boxes[3], on_frame, start=3)
    assert seen == [3, 4, 5, 6] and len(track) == 4
    assert len(track_video(StandStill(), ArrayClip(frames), boxes[0], stop=4)[0]) == 4
    with pytest.raises(ValueError, match='no frame'):
        track_video(StandStill(), ArrayClip(frames), boxes[0], start=10)


def test_lost_passes_through(square):
    frames, boxes = square
    (track,) = track_video(TemplateMatcher(lost_below=1.1), ArrayClip(frames), boxes[0])
    assert track.lost.tolist() == [False] + 9 * [True]


def test_wrong_input(square, tmp_path):
    frames, boxes = square
    with pytest.raises(InputError, match='lies outside'):
        track_video(StandStill(), ArrayClip(frames), [1000, 0, 1010, 10])
    with pytest.raises(ValueError, match='nan or has no area'):
        track_video(StandStill(), ArrayClip(frames), [np.nan, 0, 10, 10])
    with pytest.raises(ClipError, match='no such file'):
        track_video(StandStill(), tmp_path / 'none.mp4', boxes[0])


def test_online_equals_whole_clip(square):
    frames, boxes = square
    online = OnlineTracker(TemplateMatcher())
    assert not online.started
    with pytest.raises(RuntimeError, match='call init'):
        online.update(frames[0])
    first = online.init(frames[0], boxes[0])
    assert first.scores.tolist() == [1] and not first.lost.any()
    online_boxes = [first.boxes_xyxy[0]] + [
        online.update(frame).boxes_xyxy[0] for frame in frames[1:]
    ]
    (track,) = track_video(TemplateMatcher(), ArrayClip(frames), boxes[0])
    np.testing.assert_array_equal(online_boxes, track.boxes_xyxy)


def test_targets_are_added_on_the_way_and_forgotten_by_init(square):
    frames, boxes = square
    online = OnlineTracker(TemplateMatcher())
    online.init(frames[0], boxes[0])
    online.update(frames[1])
    online.add(frames[1], [[5, 40, 25, 60]])
    assert online.update(frames[2]).boxes_xyxy.shape == (2, 4)
    online.init(frames[3], boxes[3])
    assert online.update(frames[4]).boxes_xyxy.shape == (1, 4)


@pytest.mark.parametrize('shape', [(6, 8), (6, 8, 1), (6, 8, 3), (6, 8, 4)])
@pytest.mark.parametrize('dtype', [np.uint8, np.uint16])
def test_every_usual_image_becomes_bgr(shape, dtype):
    image = np.full(shape, 7 * (np.iinfo(dtype).max // 255), dtype)
    converted = as_bgr_u8(image)
    assert converted.shape == (6, 8, 3) and converted.dtype == np.uint8 and (converted == 7).all()


@pytest.mark.parametrize(
    'image',
    [
        np.zeros((4, 4), np.float32),
        np.zeros((4, 4, 2), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
        [[1]],
    ],
)
def test_other_arrays_are_refused(image):
    with pytest.raises(ValueError, match='an image is'):
        as_bgr_u8(image)


class Masks(StandStill):
    """Says a mask beside the box."""

    def update(self, frames, state):
        prediction, state = super().update(frames, state)
        return replace(
            prediction, regions=[MaskRegion(np.ones((3, 3)), int(box[0]), 0) for box in state]
        ), state


def test_regions_of_all_targets_pass_through(square):
    frame = square[0][0]
    online = OnlineTracker(Masks())
    online.init(frame, [[5, 5, 20, 20]])
    online.add(frame, [[30, 5, 40, 20]])
    assert [region.left for region in online.update(frame).regions] == [5, 30]
    online = OnlineTracker(StandStill())
    online.init(frame, [[5, 5, 20, 20]])
    assert online.update(frame).regions is None


@pytest.mark.parametrize(
    'make',
    [
        np.array,
        lambda box: np.array(box, np.float32),
        lambda box: np.array(box, np.uint8),
        lambda box: np.array(box, object),
        torch.tensor,
        lambda box: torch.tensor(box, dtype=torch.float64, requires_grad=True),
        lambda box: torch.tensor(box).bfloat16(),
        lambda box: [torch.tensor(side) for side in box],
        lambda box: [torch.tensor(box)],
    ],
)
@pytest.mark.parametrize('tracker', [StandStill, TemplateMatcher])
def test_a_callers_boxes_are_never_shared(square, make, tracker):
    frames, boxes = square
    given = make([float(side) for side in np.round(boxes[0])])
    before = str(given)
    online = OnlineTracker(tracker())
    for prediction in (online.init(frames[0], given), online.update(frames[1])):
        prediction.boxes_xyxy[:] = -1
    assert (online.update(frames[2]).boxes_xyxy >= 0).all()
    track_video(tracker(), ArrayClip(frames), given)[0].boxes_xyxy[:] = -1
    assert str(given) == before


def test_frames_of_a_caller_are_never_drawn_on(square):
    frames, boxes = square
    before = frames.copy()
    track_video(
        StandStill(), ArrayClip(frames), boxes[0], lambda index, frame, prediction: frame.fill(0)
    )
    np.testing.assert_array_equal(frames, before)
    online = OnlineTracker(StandStill())
    online.init(torch.from_numpy(frames[0]), boxes[0])
    np.testing.assert_array_equal(online.update(torch.from_numpy(frames[1])).boxes_xyxy, boxes[:1])


@pytest.mark.parametrize(
    ('given', 'message'),
    [
        (np.array([[1, 2, 3, 4]], complex), 'complex'),
        ([1, 2, 'x', 4], 'real numbers'),
        ([[1, 2], [3, 4, 5]], 'real numbers'),
        ([0.1, 0.2, 0.5, 0.6], 'less than 1 px wide or high'),
    ],
)
def test_what_is_no_box_is_one_line(square, given, message):
    with pytest.raises(ValueError, match=message) as caught:
        OnlineTracker(StandStill()).init(square[0][0], given)
    assert '\n' not in str(caught.value)
