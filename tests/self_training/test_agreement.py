"""The score without labels: agreement there and back counts only where something moves."""

from __future__ import annotations

import numpy as np
import pytest

from tests.self_training.test_relabel import Knowing, numbered_frames
from usot_plugin.apis import init_tracker
from usot_plugin.discovery.table.reading import read_table
from usot_plugin.self_training.agreement import (
    choose_targets,
    confirmed_agreement,
    difference_of,
    follow_target,
)
from usot_plugin.self_training.relabelling import Pass
from usot_plugin.testing.media import write_frames
from usot_plugin.testing.tables import pseudo_track, write_table_part

ONES = np.ones(4, np.float32)


def square(left: float) -> list[float]:
    return [left, 10, left + 20, 30]


def test_only_what_lies_on_the_moving_object_counts():
    found = np.array([square(0), square(10), square(20), square(30)])
    track = pseudo_track(found, first_frame=5, picked=np.array([True, True, True, False]))
    # On the object; beside it where discovery saw it; beside it where discovery says nothing.
    boxes = np.array([square(0), square(10), square(60), square(90)], float)
    seen = Pass(5, np.arange(5, 9), boxes, np.ones(4), np.array([1, 0.9, 0.8, 0.6]))
    assert confirmed_agreement(seen, track) == pytest.approx((0.9 + 0.0 + 0.6) / 3)


def test_a_frame_that_the_tracker_did_not_come_to_counts_nothing():
    track = pseudo_track(np.array([square(0)] * 3), picked=np.ones(3, bool))
    boxes = np.array([square(0), square(0), [np.nan] * 4], float)
    seen = Pass(0, np.arange(3), boxes, np.ones(3), np.array([1.0, 0.8, 0.5]))
    assert confirmed_agreement(seen, track) == pytest.approx(0.4)


@pytest.fixture
def table(tmp_path):
    frames, boxes = numbered_frames()
    write_frames(tmp_path / 'clip', frames)
    count = len(boxes)
    good = {
        'picked': np.ones(count, bool),
        'frame_quality': np.ones(count, np.float32),
    }
    for name, quality in (('clip', 0.6), ('best', 0.9)):
        track = pseudo_track(boxes, sequence_quality=quality, **good)
        write_table_part(tmp_path / 'table', name, tmp_path / 'clip', track, frame_count=count)
    weak = pseudo_track(boxes, sequence_quality=0.99, frame_quality=np.zeros(count, np.float32))
    write_table_part(tmp_path / 'table', 'weak', tmp_path / 'clip', weak, frame_count=count)
    return read_table(tmp_path / 'table')


def test_one_target_for_each_clip_the_best_first(table):
    targets = choose_targets(table, 5)
    assert [target.clip for target in targets] == ['best', 'clip']  # no frame of 'weak' can start
    assert [target.clip for target in choose_targets(table, 1)] == ['best']
    start = targets[0].start
    assert abs(start.until - start.frame) >= 17  # the longer of the two ways of 36 frames


def test_a_tracker_that_stays_agrees_with_itself_and_scores_nothing_for_it(table):
    (target,) = choose_targets(table, 1)
    stays = follow_target(init_tracker(tracker={'type': 'StandStill'}), target)
    knows = follow_target(Knowing(), target)
    assert stays.agreement.mean() == 1.0
    assert confirmed_agreement(knows, target.track) > 0.95
    assert confirmed_agreement(stays, target.track) < 0.6


def test_a_difference_within_its_noise_is_none():
    assert difference_of([0.5, 0.5, 0.5], [0.7, 0.8, 0.75]).verdict == 'better'
    assert difference_of([0.7, 0.8, 0.75], [0.5, 0.5, 0.5]).verdict == 'worse'
    assert difference_of([0.5, 0.5, 0.5], [0.9, 0.2, 0.6]).verdict == 'unclear'
    assert difference_of([0.5], [0.9]).verdict == 'unclear'  # one object proves nothing
    assert difference_of([0.5, 0.6], [0.5, 0.6]).verdict == 'unclear'
