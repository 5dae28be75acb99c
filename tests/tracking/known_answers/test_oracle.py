"""Trackers that know the answer, and how a protocol tells them."""

from __future__ import annotations

import numpy as np
import pytest

from usot_plugin.datasets.benchmarks import AnnotatedSequence
from usot_plugin.evaluation import OPE
from usot_plugin.structures.boxes import iou
from usot_plugin.structures.clip import ArrayClip
from usot_plugin.testing.media import moving_square_frames
from usot_plugin.tracking import FailAt, NoisyOracle, Oracle, StandStill, build_tracker


@pytest.fixture
def sequence() -> AnnotatedSequence:
    frames, boxes = moving_square_frames(12)
    boxes[5] = np.nan
    return AnnotatedSequence('square', ArrayClip(frames), boxes)


def test_oracle_repeats_the_annotation_and_says_where_it_is_lost(sequence):
    trajectory = OPE().run(Oracle(), sequence)
    present = sequence.present
    np.testing.assert_array_equal(trajectory.boxes_xyxy[present], sequence.boxes_xyxy[present])
    np.testing.assert_array_equal(trajectory.boxes_xyxy[5], sequence.boxes_xyxy[4])
    assert trajectory.lost.tolist() == (~present).tolist() and trajectory.scores[5] == 0


def test_noise_has_the_wanted_size_and_follows_seed_and_repetition(sequence):
    annotation = np.tile(sequence.boxes_xyxy[:1], (2000, 1))
    frame = sequence.clip.read(0)

    def run(tracker, repetition=0, steps=400):
        told = tracker.for_run(annotation, repetition)
        state, boxes = told.init(frame, annotation[:1]), []
        for _ in range(steps):
            prediction, state = told.update(frame, state)
            boxes.append(prediction.boxes_xyxy[0])
        return np.array(boxes)

    boxes = run(NoisyOracle(0.1, seed=3))
    offsets = (
        ((boxes[:, :2] + boxes[:, 2:]) - (annotation[:400, :2] + annotation[:400, 2:])) / 2 / 20
    )
    assert abs(offsets.mean()) < 0.02 and 0.085 < offsets.std() < 0.115
    sides = np.log((boxes[:, 2:] - boxes[:, :2]) / 20)
    assert 0.085 < sides.std() < 0.115
    np.testing.assert_array_equal(boxes[:20], run(NoisyOracle(0.1, seed=3), steps=20))
    assert not np.allclose(boxes[:20], run(NoisyOracle(0.1, seed=3), repetition=1, steps=20))
    assert not np.allclose(boxes[:20], run(NoisyOracle(0.1, seed=4), steps=20))
    assert NoisyOracle.stochastic and not Oracle.stochastic


def test_no_noise_is_the_oracle(sequence):
    np.testing.assert_allclose(
        OPE().run(NoisyOracle(0.0), sequence).boxes_xyxy,
        OPE().run(Oracle(), sequence).boxes_xyxy,
        atol=1e-9,
    )


def test_fail_at_overlaps_until_then_and_never_after(sequence):
    trajectory = OPE().run(build_tracker(None, {'type': 'FailAt', 'frame': 7}), sequence)
    overlaps = iou(trajectory.boxes_xyxy, sequence.boxes_xyxy)
    assert np.nanmin(overlaps[:7]) == 1 and np.nanmax(overlaps[7:]) == 0
    assert trajectory.lost[7:].all() and np.isfinite(trajectory.boxes_xyxy).all()


def test_a_state_can_be_used_twice_and_batches_are_told_of_every_target(sequence):
    annotation = np.stack([sequence.boxes_xyxy, sequence.boxes_xyxy + 2], 1)
    told = FailAt(3).for_run(annotation)
    frame = sequence.clip.read(0)
    state = told.init(frame, annotation[0])
    first, later = told.update(frame, state)
    told.update(frame, later)
    np.testing.assert_array_equal(told.update(frame, state)[0].boxes_xyxy, first.boxes_xyxy)
    np.testing.assert_array_equal(first.boxes_xyxy, annotation[1])
    # What was told is in the state: the tracker of another run, or of none, goes on with it.
    np.testing.assert_array_equal(FailAt(3).update(frame, state)[0].boxes_xyxy, annotation[1])


def test_only_a_protocol_can_tell(sequence):
    frame, boxes = sequence.clip.read(0), sequence.boxes_xyxy
    with pytest.raises(ValueError, match='Oracle knows no annotation: only a protocol'):
        Oracle().init(frame, boxes[:1])
    with pytest.raises(ValueError, match='told of 1 targets and starts with 2'):
        Oracle().for_run(boxes).init(frame, boxes[:2])
    told = Oracle().for_run(boxes[:1])
    with pytest.raises(ValueError, match='told of 1 frames and is shown one more'):
        told.update(frame, told.init(frame, boxes[:1]))


def test_a_tracker_that_is_measured_is_not_told(sequence):
    tracker = StandStill()
    assert tracker.for_run(sequence.boxes_xyxy) is tracker


@pytest.mark.parametrize(
    ('cls', 'option'),
    [(NoisyOracle, {'noise': -1}), (NoisyOracle, {'noise': float('nan')}), (FailAt, {'frame': 0})],
)
def test_bad_options(cls, option):
    with pytest.raises(ValueError, match=next(iter(option))):
        cls(**option)
