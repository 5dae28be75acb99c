"""Anchors, fusion and the new track, on passes whose outcome can be computed by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from usot_plugin.discovery.config import DiscoveryConfig
from usot_plugin.self_training.relabelling import (
    Pass,
    RelabelConfig,
    Sightings,
    choose_anchors,
    fuse_frame,
    grid_frames,
    relabelled_track,
)
from usot_plugin.structures.boxes import iou
from usot_plugin.testing.tables import pseudo_track

FRAME_WH = (320, 240)
CONFIG = RelabelConfig(
    step_frames=2, anchor_gap_frames=20, horizon_frames=40, min_fragment_frames=4
)


def moving_boxes(count: int) -> np.ndarray:
    left = 60 + 1.5 * np.arange(count)
    return np.stack([left, np.full(count, 80.0), left + 50, np.full(count, 130.0)], 1)


def old_track(count: int = 40, first_frame: int = 0, **columns):
    values = {
        'frame_quality': np.full(count, 0.8, np.float32),
        'centrality': np.full(count, 0.1, np.float32),
        **columns,
    }
    return pseudo_track(moving_boxes(count), first_frame=first_frame, **values)


def pass_over(boxes: np.ndarray, frames, agreement=1.0, score=0.9) -> Pass:
    frames = np.asarray(frames)
    return Pass(
        int(frames[0]),
        frames,
        boxes[frames],
        np.full(len(frames), score),
        np.full(len(frames), agreement),
    )


@pytest.mark.parametrize(
    'name, value',
    [('step_frames', 0), ('min_agreement', 1.5), ('old_weight', -0.1), ('horizon_frames', 0)],
)
def test_impossible_numbers_are_named(name, value):
    with pytest.raises(ValueError, match=name):
        RelabelConfig(**{name: value})


def test_the_grid_is_that_of_the_clip():
    assert grid_frames(old_track(7, first_frame=3), 2).tolist() == [4, 6, 8]
    assert grid_frames(old_track(6, first_frame=4), 2).tolist() == [4, 6, 8]


def test_an_anchor_is_the_best_frame_of_its_stretch():
    quality = np.full(40, 0.6, np.float32)
    quality[[6, 27, 30]] = 0.9, 1.0, 0.8  # 27 is not on the grid
    assert choose_anchors(old_track(frame_quality=quality), CONFIG).tolist() == [6, 30]


def test_an_anchor_has_the_usual_size_and_was_picked():
    quality = np.full(20, 0.7, np.float32)
    quality[4] = 1.0
    track = old_track(20, frame_quality=quality)
    boxes = track.boxes_xyxy.copy()
    boxes[4, 2:] += 60  # the best frame has swallowed something else
    picked = np.arange(20) == 8
    assert choose_anchors(replace(track, boxes_xyxy=boxes, picked=picked), CONFIG).tolist() == [8]


def test_no_anchor_where_no_frame_is_good_enough():
    assert len(choose_anchors(old_track(frame_quality=np.full(40, 0.3, np.float32)), CONFIG)) == 0


def test_boxes_that_disagree_with_the_leader_count_nothing():
    box, shifted, elsewhere = np.array([[10.0, 10, 50, 50], [12, 10, 52, 50], [200, 100, 240, 140]])
    boxes = np.stack([box, shifted, elsewhere])
    weights, agreement, near = np.array([0.4, 0.4, 0.5]), np.array([0.8, 0.8, 1.0]), np.ones(3)
    fused, quality = fuse_frame(
        Sightings(boxes, weights, agreement, near), elsewhere + 300, 1.0, 0.5
    )
    assert fused == pytest.approx([11, 10, 51, 50])
    assert quality == pytest.approx((0.4 * iou(box, fused) + 0.4 * iou(shifted, fused)) / 3)


def test_the_old_box_has_its_share_where_it_agrees():
    new, old = np.array([10.0, 10, 50, 50]), np.array([14.0, 10, 54, 50])
    fused, _ = fuse_frame(
        Sightings(new[None], np.array([0.75]), np.ones(1), np.ones(1)), old, 0.25, 0.5
    )
    assert fused == pytest.approx(0.75 * new + 0.25 * old)


def test_a_pass_that_lost_its_target_lowers_the_quality():
    boxes = np.stack([np.array([10.0, 10, 50, 50]), np.full(4, np.nan)])
    fused, quality = fuse_frame(
        Sightings(boxes, np.array([1.0, 0.0]), np.array([1.0, 0.0]), np.ones(2)),
        np.full(4, np.nan),
        0.5,
        0.5,
    )
    assert fused == pytest.approx(boxes[0])
    assert quality == pytest.approx(0.5)


def test_nothing_is_left_where_every_pass_has_failed():
    fused, quality = fuse_frame(
        Sightings(moving_boxes(2), np.full(2, 0.4), np.full(2, 0.4), np.ones(2)),
        moving_boxes(1)[0],
        1.0,
        0.5,
    )
    assert np.isnan(fused).all() and quality == 0


def test_perfect_passes_give_their_boxes_and_full_quality():
    boxes = moving_boxes(50)
    track = old_track(
        40, first_frame=5, frame_quality=np.zeros(40, np.float32)
    )  # old boxes are elsewhere and weigh nothing
    passes = [pass_over(boxes, range(20, 45, 2)), pass_over(boxes, range(20, 5, -2))]
    new = relabelled_track(track, passes, CONFIG, DiscoveryConfig(), FRAME_WH)
    # The grid is 6, 8 ... 44, and what lies between two frames of it is interpolated; frame 5 has
    # no neighbour before it.
    assert np.isnan(new.boxes_xyxy[0]).all()
    assert new.boxes_xyxy[1:] == pytest.approx(boxes[6:45], abs=1e-3)
    assert new.frame_quality[1:] == pytest.approx(np.ones(39), abs=1e-6)
    assert new.frame_quality[0] == 0
    assert (np.flatnonzero(new.evaluated) + 5).tolist() == grid_frames(track, 2).tolist()
    assert (new.picked == new.evaluated).all()
    assert new.sequence_quality == 1.0
    assert new.first_frame == 5 and len(new) == 40
    assert new.fragment_first[10] <= 8 and new.fragment_last[10] == 44
    assert (new.centrality[1:] > 0).all() and new.corner_share == 0
    assert new.mask_runs is None


def test_frames_without_agreement_have_no_box_and_end_fragments():
    boxes = moving_boxes(40)
    good = pass_over(boxes, range(0, 40, 2))
    agreement = np.where((good.frames >= 16) & (good.frames < 24), 0.2, 0.9)
    new = relabelled_track(
        old_track(), [replace(good, agreement=agreement)], CONFIG, DiscoveryConfig(), FRAME_WH
    )
    assert (
        np.isnan(new.boxes_xyxy[15:24]).all()
        and (new.frame_quality[15:24] == 0).all()
        and not new.picked[15:24].any()
    )
    assert np.isfinite(new.boxes_xyxy[[14, 24]]).all()
    assert new.sequence_quality == pytest.approx(16 / 20)
    assert (new.fragment_first[10], new.fragment_last[10]) == (0, 14)
    assert (new.centrality[15:24] == 0).all()


def test_short_stretches_are_dropped():
    boxes = moving_boxes(40)
    good = pass_over(boxes, range(0, 40, 2))
    alone = np.isin(good.frames, [0, 20, 22, 24, 26])
    new = relabelled_track(
        old_track(),
        [replace(good, agreement=alone.astype(float))],
        CONFIG,
        DiscoveryConfig(),
        FRAME_WH,
    )
    assert np.flatnonzero(np.isfinite(new.boxes_xyxy[:, 0])).tolist() == list(range(20, 27))
    assert np.flatnonzero(new.picked).tolist() == [20, 22, 24, 26]


def test_a_track_without_any_agreement_is_none():
    failed = [pass_over(moving_boxes(40), range(0, 40, 2), agreement=0.1)]
    assert relabelled_track(old_track(), failed, CONFIG, DiscoveryConfig(), FRAME_WH) is None
    assert relabelled_track(old_track(), [], CONFIG, DiscoveryConfig(), FRAME_WH) is None


def test_confidence_counts_against_what_is_usual_on_the_clip():
    boxes = moving_boxes(40)
    good = pass_over(boxes, range(0, 40, 2), score=0.02)  # a method with small scores
    scores = good.scores.copy()
    scores[10] = 0.01
    new = relabelled_track(
        old_track(frame_quality=np.zeros(40, np.float32)),
        [replace(good, scores=scores)],
        CONFIG,
        DiscoveryConfig(),
        FRAME_WH,
    )
    assert new.frame_quality[18] == pytest.approx(1.0) and new.frame_quality[20] == pytest.approx(
        0.5
    )


def test_a_box_on_still_ground_is_not_believed():
    # The tracker stays where it was, and agrees with itself; what moves has gone on.
    boxes = moving_boxes(120)
    still = np.repeat(boxes[:1], 120, axis=0)
    new = relabelled_track(
        old_track(120),
        [pass_over(still, range(0, 120, 2))],
        replace(CONFIG, support_frames=5),
        DiscoveryConfig(),
        FRAME_WH,
    )
    # Boxes of 50 px at 1.5 px a frame lie on each other by half until frame 16; five later half of
    # the frames that are asked are beyond.
    last = np.flatnonzero(new.picked)[-1]
    assert 14 <= last <= 20
    without = replace(CONFIG, min_support=0.0)
    assert (
        relabelled_track(
            old_track(120),
            [pass_over(still, range(0, 120, 2))],
            without,
            DiscoveryConfig(),
            FRAME_WH,
        ).picked.sum()
        == 60
    )


def test_nothing_is_interpolated_between_two_objects():
    boxes = moving_boxes(40)
    boxes[20:] += 80
    new = relabelled_track(
        old_track(),
        [pass_over(boxes, range(0, 40, 2))],
        replace(CONFIG, min_support=0.0),
        DiscoveryConfig(),
        FRAME_WH,
    )
    assert np.flatnonzero(np.isnan(new.boxes_xyxy[:39, 0])).tolist() == [19]
    assert new.fragment_last[18] == 18 and new.fragment_first[20] == 20
