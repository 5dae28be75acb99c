"""Two-stage association: assignments against a slow twin, and each stage on scripted detections."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from usot_plugin.structures.detections import Detections, TrackedObjects
from usot_plugin.tracking.multi_object.association import TwoStageAssociation, match

BOX = np.array([10.0, 10, 30, 30])


def at(*shifts: float, scores=None, labels=None) -> Detections:
    boxes = np.array([BOX + (shift, 0, shift, 0) for shift in shifts]).reshape(-1, 4)
    return Detections(
        boxes,
        np.full(len(boxes), 0.9) if scores is None else scores,
        np.zeros(len(boxes)) if labels is None else labels,
    )


@pytest.mark.parametrize('seed', range(20))
def test_match_is_the_cheapest_assignment(seed):
    rng = np.random.default_rng(seed)
    cost, limit = rng.random(tuple(rng.integers(1, 5, 2))), 0.6
    rows, columns = match(cost, limit)

    # Leaving a row and a column alone costs half the limit each, which is what a limit on a pair
    # means.
    def total(pairs):
        return sum(cost[i, j] for i, j in pairs) - limit * len(pairs)

    n, m = cost.shape
    columns_or_none = [*range(m), *[None] * n]
    best = min(
        total([(i, j) for i, j in enumerate(choice) if j is not None])
        for choice in set(permutations(columns_or_none, n))
    )
    assert total(list(zip(rows, columns, strict=True))) == pytest.approx(best)
    assert (cost[rows, columns] <= limit).all()


def test_match_of_nothing():
    assert [len(part) for part in match(np.zeros((0, 3)), 1.0)] == [0, 0]


def test_a_track_follows_its_velocity_through_a_miss():
    association = TwoStageAssociation()
    for t in range(5):
        assert association.assign(t, at(12 * t)).ids.tolist() == [0]
    association.assign(5, at())
    # 24 px on, nothing overlaps the last box of 20 px; the expected one does.
    assert association.assign(6, at(72)).ids.tolist() == [0]


def test_a_weak_detection_continues_a_track_but_begins_none():
    association = TwoStageAssociation()
    association.assign(0, at(0))
    found = association.assign(1, at(1, 200, scores=np.array([0.3, 0.3])))
    assert found.ids.tolist() == [0]
    assert found.found.scores.tolist() == [0.3]


def test_a_weak_detection_does_not_revive_a_track_that_was_missed_before():
    association = TwoStageAssociation()
    association.assign(0, at(0))
    association.assign(1, at())
    assert association.assign(2, at(0, scores=np.array([0.3]))).ids.tolist() == []
    assert association.assign(3, at(0)).ids.tolist() == [0]


def test_classes_are_not_mixed():
    association = TwoStageAssociation()
    association.assign(0, at(0))
    assert association.assign(1, at(0, labels=np.array([1]))).ids.tolist() == [1]


def test_a_late_track_is_tentative_and_dropped_at_its_first_miss():
    association = TwoStageAssociation()
    association.assign(0, at(0))
    assert association.assign(1, at(0, 100)).ids.tolist() == [0, 1]
    association.assign(2, at(0))
    assert not association.knows(1)
    assert association.assign(3, at(0, 100)).ids.tolist() == [0, 2]


def test_tracks_are_forgotten_after_long_misses():
    association = TwoStageAssociation(retain_frames=3)
    association.assign(0, at(0))
    known = []
    for t in range(1, 5):
        association.assign(t, at())
        known.append(association.knows(0))
    assert known == [True, True, False, False]


def test_a_correction_moves_the_track():
    association = TwoStageAssociation()
    association.assign(0, at(0))
    association.assign(1, at())
    association.correct(
        1, TrackedObjects(np.array([0, 7]), at(25, 80), np.ones(2, bool))
    )  # 7 is unknown and passed over
    assert association.assign(2, at(50)).ids.tolist() == [0]


def test_columns_of_detections_have_one_length():
    with pytest.raises(ValueError, match='equally long'):
        Detections(np.zeros((2, 4)), np.zeros(2), np.zeros(1))
