"""Identity and box through missed detections, on a scene whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from tests.tracking.multi_object.scene import (
    FRAMES,
    GAP,
    TemplateTracker,
    crossing_squares,
    scripted,
)
from usot_plugin.structures.boxes import iou
from usot_plugin.structures.detections import Detections
from usot_plugin.tracking import StandStill
from usot_plugin.tracking.multi_object import CarriedTracks, TwoStageAssociation

BYTE_TRACK = dict(
    type='HostAssociation',
    tracker=dict(type='mmdet.ByteTracker', motion=dict(type='mmdet.KalmanFilter')),
)
ASSOCIATIONS = [
    pytest.param(dict(type='TwoStageAssociation'), id='own'),
    pytest.param(BYTE_TRACK, id='mmdet', marks=pytest.mark.full_host),
]


@pytest.fixture(scope='module')
def scene():
    return crossing_squares()


@pytest.fixture(autouse=True)
def _mmdets_names(request):
    if request.node.get_closest_marker('full_host'):
        import mmdet.registry  # noqa: F401  (as default_scope = 'mmdet' does)


def run(objects: CarriedTracks, scene, gap=GAP):
    frames, boxes = scene
    return [objects.update(frame, scripted(boxes, t, gap)) for t, frame in enumerate(frames)]


def identity_of(found, box) -> int | None:
    """Identity of the object that covers a true box, None where none does."""
    overlaps = iou(found.found.boxes_xyxy, box[None])
    return int(found.ids[overlaps.argmax()]) if len(overlaps) and overlaps.max() > 0.6 else None


@pytest.mark.parametrize('association', ASSOCIATIONS)
def test_identity_and_box_are_kept_across_a_gap(scene, association):
    objects = CarriedTracks(TemplateTracker(), association)
    found = run(objects, scene)
    boxes = scene[1]
    for k in (0, 1):
        identities = {identity_of(found[t], boxes[k, t]) for t in range(FRAMES)}
        assert len(identities) == 1 and None not in identities, f'square {k}'
    for t in range(FRAMES):
        assert found[t].carried.tolist() == ([False, True] if t in GAP else [False, False])
    assert objects.tracker.starts == 1, 'one start for the gap, none for what is detected'


@pytest.mark.parametrize('association', ASSOCIATIONS)
def test_without_a_tracker_that_follows_the_identity_is_lost(scene, association):
    found = run(CarriedTracks(StandStill(), association), scene)
    boxes = scene[1]
    assert identity_of(found[GAP.start - 1], boxes[0, GAP.start - 1]) != identity_of(
        found[-1], boxes[0, -1]
    )
    assert identity_of(found[GAP.stop - 1], boxes[0, GAP.stop - 1]) is None


def test_a_gap_longer_than_allowed_is_given_up(scene):
    found = run(CarriedTracks(TemplateTracker(), TwoStageAssociation(), max_gap_frames=4), scene)
    assert [bool(f.carried.any()) for f in found[GAP.start : GAP.start + 6]] == [True] * 4 + [
        False
    ] * 2


def test_objects_that_were_seen_too_rarely_are_not_carried(scene):
    objects = CarriedTracks(TemplateTracker(), TwoStageAssociation(), min_hits=GAP.start + 1)
    assert not any(found.carried.any() for found in run(objects, scene))
    assert objects.tracker.starts == 0


def test_a_low_score_ends_carrying(scene):
    frames, boxes = scene
    covered = frames.copy()
    covered[16:24, 15:90, 90:140] = 128  # nothing to be seen of the first square any more
    found = run(
        CarriedTracks(TemplateTracker(), TwoStageAssociation(), min_score=0.6), (covered, boxes)
    )
    assert [bool(f.carried.any()) for f in found[12:20]] == [True] * 4 + [False] * 4


def test_a_carried_box_on_a_detected_object_of_its_class_is_given_up(scene):
    frames, boxes = scene
    objects = CarriedTracks(StandStill(), TwoStageAssociation())
    for t in range(5):
        objects.update(frames[t], scripted(boxes, t))
    # The second square is now detected where the first one was last seen, and the first one
    # nowhere.
    moved = Detections(boxes[:1, 4], np.array([0.95]), np.zeros(1))
    found = objects.update(frames[5], moved)
    assert (
        len(found) == 1
        or not iou(found.found.boxes_xyxy[:1], found.found.boxes_xyxy[1:]).max() > 0.7
    )


@pytest.mark.parametrize('association', ASSOCIATIONS)
def test_a_jump_of_the_camera_does_not_change_identities(scene, association):
    frames, boxes = scene
    jump = 34  # more than a square is wide: no box overlaps the one before
    frames, boxes = frames.copy(), boxes.copy()
    frames[8:] = np.roll(frames[8:], jump, axis=2)
    boxes[:, 8:, 0::2] += jump
    visible = [k for k in (0, 1) if boxes[k, 8:20, 2].max() <= frames.shape[2]]
    found = run(
        CarriedTracks(TemplateTracker(reach=50), association), (frames, boxes), gap=range(0)
    )
    assert visible
    for k in visible:
        assert len({identity_of(found[t], boxes[k, t]) for t in range(20)}) == 1
    without = run(CarriedTracks(StandStill(), association), (frames, boxes), gap=range(0))
    assert identity_of(without[7], boxes[visible[0], 7]) != identity_of(
        without[12], boxes[visible[0], 12]
    )


def test_a_new_video_begins_with_no_object(scene):
    objects = CarriedTracks(TemplateTracker(), TwoStageAssociation())
    first = run(objects, scene)
    objects.reset()
    second = run(objects, scene)
    for a, b in zip(first, second, strict=True):
        assert a.ids.tolist() == b.ids.tolist()
        np.testing.assert_array_equal(a.found.boxes_xyxy, b.found.boxes_xyxy)


def test_frames_without_any_detection_are_fine(scene):
    frames, _ = scene
    objects = CarriedTracks(TemplateTracker(), TwoStageAssociation())
    nothing = Detections(np.zeros((0, 4)), np.zeros(0), np.zeros(0))
    assert all(len(objects.update(frame, nothing)) == 0 for frame in frames[:3])


def test_settings_are_checked():
    with pytest.raises(ValueError, match='max_gap_frames and min_hits must be positive'):
        CarriedTracks(StandStill(), TwoStageAssociation(), max_gap_frames=0)
    with pytest.raises(TypeError, match='association must be one'):
        CarriedTracks(StandStill(), StandStill())
