from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from usot_plugin.discovery.config import FillConfig, TrajectoryConfig
from usot_plugin.discovery.trajectory_dp import best_trajectory, fill_boxes, transition_reward

CONFIG = TrajectoryConfig()


def random_candidates(seed: int, frames: int, per_frame: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """A walking box, its poor copies, and clutter; some frames have none."""
    rng = np.random.default_rng(seed)
    boxes, of_frame = [], []
    for frame in range(frames):
        for k in range(rng.integers(0, per_frame + 1)):
            centre = (
                np.array([50 + 4 * frame, 60]) + rng.normal(0, 3, 2)
                if k == 0
                else rng.uniform(20, 200, 2)
            )
            size = rng.uniform(20, 40, 2)
            boxes.append([*(centre - size / 2), *(centre + size / 2)])
            of_frame.append(3 * frame + 3)
    return np.array(boxes).reshape(-1, 4), np.array(of_frame, np.int64)


def slow_reward(a, b, gamma=4.1, factor=3.0) -> float:
    w = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    h = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    inter = w * h
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - inter
    d2 = ((a[0] + a[2] - b[0] - b[2]) / 2) ** 2 + ((a[1] + a[3] - b[1] - b[3]) / 2) ** 2
    c2 = (max(a[2], b[2]) - min(a[0], b[0])) ** 2 + (max(a[3], b[3]) - min(a[1], b[1])) ** 2
    reward = inter / union - gamma * d2 / c2
    return reward * factor if reward < 0 else reward


def slow_trajectory(boxes, frames, reach: int | None = 100, gain: float = 0.091) -> list[int]:
    """The programme as a double loop over candidates."""
    value, previous = [], []
    for i in range(len(frames)):
        value.append(gain)
        previous.append(-1)
        earlier = [j for j in range(i) if frames[j] < frames[i]]
        for j in earlier if reach is None else earlier[-reach:]:
            through = value[j] + slow_reward(boxes[j], boxes[i]) + gain
            if through >= value[i]:
                value[i], previous[i] = through, j
    at = int(np.argmax(value))
    path = []
    while at >= 0:
        path.append(at)
        at = previous[at]
    return path[::-1]


def total(path, boxes, gain: float = 0.091) -> float:
    return sum(slow_reward(boxes[a], boxes[b]) for a, b in itertools.pairwise(path)) + gain * len(
        path
    )


@pytest.mark.parametrize('seed', range(8))
@pytest.mark.parametrize('reach', [1, 5, 100, None])
def test_programme_equals_the_double_loop(seed, reach):
    boxes, frames = random_candidates(seed, 60)
    given = best_trajectory(boxes, frames, replace(CONFIG, link_candidates=reach))
    assert given.tolist() == slow_trajectory(boxes, frames, reach)


@pytest.mark.parametrize('seed', range(12))
def test_programme_finds_the_best_of_all_paths(seed):
    boxes, frames = random_candidates(seed, 7)
    if len(frames) == 0:
        pytest.skip('this seed has no candidate')
    by_frame = [[None, *np.flatnonzero(frames == frame)] for frame in np.unique(frames)]
    paths = ([i for i in choice if i is not None] for choice in itertools.product(*by_frame))
    best = max(total(path, boxes) for path in paths if path)
    given = best_trajectory(boxes, frames, CONFIG).tolist()
    assert total(given, boxes) == pytest.approx(best)


def test_candidates_of_one_frame_never_link():
    boxes = np.array([[0, 0, 10, 10]] * 4, np.float64)
    path = best_trajectory(boxes, np.array([3, 3, 6, 6]), CONFIG)
    assert len(path) == 2
    assert {0 if i < 2 else 1 for i in path.tolist()} == {0, 1}


def test_an_outlier_is_left_out():
    boxes = np.array(
        [[0, 0, 10, 10], [1, 0, 11, 10], [200, 200, 240, 240], [2, 0, 12, 10]], np.float64
    )
    assert best_trajectory(boxes, np.array([3, 6, 9, 12]), CONFIG).tolist() == [0, 1, 3]


def test_reach_in_frames_and_in_candidates():
    # Five frames with clutter far away lie between the two halves of a path.
    here = [0, 0, 10, 10]
    boxes = np.array(
        [here, here, *[[100 * k, 900, 100 * k + 9, 909] for k in range(1, 6)], here, here, here],
        np.float64,
    )
    frames = np.arange(len(boxes)) * 3
    assert best_trajectory(boxes, frames, replace(CONFIG, link_candidates=6)).tolist() == [
        0,
        1,
        7,
        8,
        9,
    ]
    assert best_trajectory(boxes, frames, replace(CONFIG, link_candidates=5)).tolist() == [7, 8, 9]
    assert best_trajectory(
        boxes, frames, replace(CONFIG, link_candidates=None, link_frames=6)
    ).tolist() == [0, 1, 7, 8, 9]
    assert best_trajectory(
        boxes, frames, replace(CONFIG, link_candidates=None, link_frames=5)
    ).tolist() == [7, 8, 9]


def test_least_reward_of_a_link_breaks_a_path():
    boxes = np.array(
        [[0, 0, 10, 10], [0, 0, 10, 10], [6, 0, 16, 10], [6, 0, 16, 10], [6, 0, 16, 10]], np.float64
    )
    frames = np.arange(5)
    assert best_trajectory(boxes, frames, CONFIG).tolist() == [0, 1, 2, 3, 4]
    assert best_trajectory(boxes, frames, replace(CONFIG, min_link_reward=0.0)).tolist() == [
        2,
        3,
        4,
    ]


def test_few_candidates():
    assert best_trajectory(np.empty((0, 4)), np.empty(0, np.int64), CONFIG).tolist() == []
    assert best_trajectory(np.array([[0, 0, 1, 1.0]]), np.array([3]), CONFIG).tolist() == [0]


def test_reward_in_closed_form():
    a, same, beside = (
        np.array([[0, 0, 10, 10.0]]),
        np.array([[0, 0, 10, 10.0]]),
        np.array([[10, 0, 20, 10.0]]),
    )
    assert transition_reward(a, same, 4.1, 3.0).tolist() == [1]
    # No overlap, d = 10, enclosing box 20 x 10: -4.1 * 100 / 500, tripled.
    assert transition_reward(a, beside, 4.1, 3.0) == pytest.approx(-3 * 0.82)
    assert transition_reward(a, beside, 4.1) == pytest.approx(-0.82)


def test_fill_is_linear_and_repeats_the_ends():
    picks = np.array([[0, 0, 10, 10], [4, 8, 14, 18]], np.float64)
    filled = fill_boxes(picks, np.array([2, 6]), 9, FillConfig())
    assert filled[:, 0].tolist() == [0, 0, 0, 1, 2, 3, 4, 4, 4]
    assert filled[:, 1].tolist() == [0, 0, 0, 2, 4, 6, 8, 8, 8]
    np.testing.assert_array_equal(filled[:, 2:], filled[:, :2] + 10)


def test_legacy_fill_swaps_the_two_weights_between_picks_only():
    picks = np.array([[0, 0, 10, 10], [4, 8, 14, 18], [5, 8, 15, 18]], np.float64)
    filled = fill_boxes(picks, np.array([2, 6, 9]), 11, FillConfig(legacy=True))
    # Weight of the earlier pick (j - 2) / 4: grows towards the later one.
    assert filled[:7, 0].tolist() == [0, 0, 0, 3, 2, 1, 4]
    assert filled[6:, 0] == pytest.approx([4, 4 + 2 / 3, 4 + 1 / 3, 5, 5])


@pytest.mark.parametrize('legacy', [False, True])
def test_one_pick_fills_everything(legacy):
    filled = fill_boxes(np.array([[1, 2, 3, 4.0]]), np.array([5]), 9, FillConfig(legacy=legacy))
    assert (filled == [1, 2, 3, 4]).all()


def test_noise_moves_the_ends_only_where_the_box_is_far_from_the_corner():
    config = FillConfig(end_noise_px=3.0)
    far, near = (
        np.array([[80, 80, 120, 120], [80, 80, 120, 120.0]]),
        np.array([[60, 80, 120, 120], [60, 80, 120, 120.0]]),
    )
    moved = fill_boxes(far, np.array([3, 6]), 10, config) - far[0]
    assert (moved[3:7] == 0).all()
    assert (abs(moved[[0, 1, 2, 7, 8, 9]]) > 0).all()
    assert abs(moved).max() <= 3
    moved = fill_boxes(near, np.array([3, 6]), 10, config) - near[0]
    assert (moved[:7] == 0).all()  # below 75 px before the first pick
    assert (moved[7:] != 0).all()  # above 50 px after the last
    np.testing.assert_array_equal(
        fill_boxes(far, np.array([3, 6]), 10, config), fill_boxes(far, np.array([3, 6]), 10, config)
    )
    other = fill_boxes(far, np.array([3, 6]), 10, replace(config, seed=1))
    assert (other != fill_boxes(far, np.array([3, 6]), 10, config)).any()
