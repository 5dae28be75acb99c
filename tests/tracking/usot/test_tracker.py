"""The on-line tracker: parity with the release, batches of targets, and bad input."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from tests.models.usot_parity import SHARED_GOLDEN, formula_usot, golden
from usot_plugin.structures.boxes import xywh_to_xyxy, xyxy_to_cxcywh
from usot_plugin.tracking import StandStill, USOTTracker

import synthetic_clip  # isort: skip  (found through the golden folder that usot_parity puts on the path)


def follow(tracker, frames, box_xywh):
    state = tracker.init(frames[0], xywh_to_xyxy(np.asarray(box_xywh, float)))
    rows = []
    for frame in frames[1:]:
        prediction, state = tracker.update(frame, state)
        rows.append((xyxy_to_cxcywh(prediction.boxes_xyxy[0]), prediction.scores[0]))
    return np.array([row[0] for row in rows]), np.array([row[1] for row in rows])


@pytest.mark.process
@pytest.mark.parametrize(('kind', 'frames'), [('small', 40), ('r50', 12)])
def test_tracked_boxes_equal_the_release(kind, frames):
    data = golden(f'track_synthetic_{kind}_formula.npz')
    clip = [synthetic_clip.frame(t) for t in range(frames)]
    boxes, scores = follow(USOTTracker(formula_usot(kind)), clip, data['rects'][0])
    assert np.abs(boxes[:, :2] - data['pos'][1:frames]).max() < 0.05
    assert np.abs(boxes[:, 2:] - data['sz'][1:frames]).max() < 0.05
    assert np.abs(scores - data['conf'][1:frames]).max() < 1e-3


@pytest.mark.shared_data
def test_tracked_boxes_equal_the_release_on_real_video():
    folder = (
        Path(os.environ.get('USOT_SHARED_DIR', SHARED_GOLDEN.parents[1]))
        / 'data'
        / 'eval'
        / 'Crossing'
        / 'img'
    )
    path = SHARED_GOLDEN / 'track_Crossing_small_formula.npz'
    if not path.exists() or not folder.exists():
        pytest.skip('needs the shared folder')
    data = np.load(path)
    clip = [cv2.imread(str(file)) for file in sorted(folder.iterdir())[:40]]
    boxes, _ = follow(USOTTracker(formula_usot('small')), clip, data['rects'][0])
    assert np.abs(boxes[:, :2] - data['pos'][1:]).max() < 0.05
    assert np.abs(boxes[:, 2:] - data['sz'][1:]).max() < 0.05


@pytest.fixture(scope='module')
def tracker():
    torch.manual_seed(0)
    return USOTTracker(formula_usot('small', legacy=False))


def test_several_targets_at_once_equal_one_at_a_time(tracker):
    frames = [synthetic_clip.frame(t) for t in range(6)]
    boxes = xywh_to_xyxy(
        np.array([[90.0, 92, 46, 34], [30, 40, 40, 60], [200, 150, 12, 14]])
    )  # the last one is small: a 271 px crop
    together = tracker.init(frames[0], boxes)
    alone = [tracker.init(frames[0], box) for box in boxes]
    assert {target.crop_px for target in together} == {255, 271}
    for frame in frames[1:]:
        prediction, together = tracker.update(frame, together)
        singles = []
        for index, state in enumerate(alone):
            single, alone[index] = tracker.update(frame, state)
            singles.append(single.boxes_xyxy[0])
        assert np.abs(prediction.boxes_xyxy - singles).max() < 1e-3


def test_targets_may_live_in_different_videos(tracker):
    ours = [synthetic_clip.frame(t) for t in range(3)]
    theirs = [np.ascontiguousarray(frame[:, ::-1]) for frame in ours]
    box = xywh_to_xyxy(np.array([90.0, 92, 46, 34]))
    mirrored = np.array([320 - box[2], box[1], 320 - box[0], box[3]])
    state = tracker.init([ours[0], theirs[0]], np.stack([box, mirrored]))
    alone = tracker.init(theirs[0], mirrored)
    for a, b in zip(ours[1:], theirs[1:], strict=True):
        prediction, state = tracker.update([a, b], state)
        single, alone = tracker.update(b, alone)
        assert np.abs(prediction.boxes_xyxy[1] - single.boxes_xyxy[0]).max() < 1e-3


def test_a_state_can_be_used_twice(tracker):
    frames = [synthetic_clip.frame(t) for t in range(3)]
    state = tracker.init(frames[0], np.array([90.0, 92, 136, 126]))
    first, _ = tracker.update(frames[1], state)
    tracker.update(frames[2], state)
    again, _ = tracker.update(frames[1], state)
    assert np.array_equal(first.boxes_xyxy, again.boxes_xyxy)


def test_a_remembered_entry_keeps_no_other_target_alive(tracker):
    boxes = xywh_to_xyxy(np.array([[90.0 + 5 * i, 92, 46, 34] for i in range(4)]))
    state = tracker.init(synthetic_clip.frame(0), boxes)
    for t in range(1, 8):
        _, state = tracker.update(synthetic_clip.frame(t), state)
    for target in state:
        queue = target.memory
        remembered = [
            queue.first,
            queue.mirrored,
            queue.latest.entry,
            *(moment.entry for moment in queue.past),
        ]
        assert all(
            code.untyped_storage().nbytes() == code.numel() * code.element_size()
            for entry in remembered
            for code in entry
        )


@pytest.mark.parametrize('options', [{'memory_rule': 'segment'}, {'memory_size': 3}])
def test_wrong_memory_options_are_refused_before_the_first_video(options):
    model = formula_usot('small', legacy=False)
    with pytest.raises(ValueError, match=next(iter(options))):
        USOTTracker(model, **options)
    USOTTracker(model, memory_weight=0.0, memory_size=3)


def test_tracking_without_memory_branch():
    model = formula_usot('small', legacy=False)
    offline = USOTTracker(model, memory_weight=0.0)
    state = offline.init(synthetic_clip.frame(0), np.array([90.0, 92, 136, 126]))
    assert state[0].memory is None
    prediction, _ = offline.update(synthetic_clip.frame(1), state)
    assert np.isfinite(prediction.boxes_xyxy).all()


def test_weak_frames_in_a_row_mean_lost():
    tracker = USOTTracker(formula_usot('small', legacy=False), lost_score=1.1, lost_frames=2)
    state = tracker.init(synthetic_clip.frame(0), np.array([90.0, 92, 136, 126]))
    flags = []
    for t in range(1, 4):
        prediction, state = tracker.update(synthetic_clip.frame(t), state)
        flags.append(bool(prediction.lost[0]))
    assert flags == [False, True, True]


@pytest.mark.parametrize(
    'make', [StandStill, lambda: USOTTracker(formula_usot('small'))], ids=['stand still', 'usot']
)
@pytest.mark.parametrize(
    ('box', 'message'),
    [
        ([10, 10, np.nan, 20], 'nan or has no area'),
        ([10, 10, 10, 20], 'nan or has no area'),
        ([400, 10, 420, 20], 'outside the 320x240 frame'),
        ([-1e5, -1e5, 1e5, 1e5], 'more than 2 times the 320x240 frame'),
        (np.zeros((0, 4)), 'no target box'),
    ],
)
def test_bad_boxes_are_named(make, box, message):
    with pytest.raises(ValueError, match=message):
        make().init(synthetic_clip.frame(0), np.array(box, float))


def test_wrong_frames_are_named(tracker):
    with pytest.raises(ValueError, match='uint8'):
        tracker.init(np.zeros((10, 10, 3)), np.array([1.0, 1, 5, 5]))
    with pytest.raises(ValueError, match='2 frames for 1 targets'):
        tracker.init([synthetic_clip.frame(0)] * 2, np.array([[1.0, 1, 5, 5]]))
