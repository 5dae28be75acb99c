from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from usot_plugin.discovery.config import FragmentsConfig
from usot_plugin.discovery.fragments import fragment_bounds
from usot_plugin.discovery.trajectory_dp import transition_reward

CONFIG = FragmentsConfig()


def slow_bounds(boxes, quality, config):
    """The walk of the release, frame by frame."""
    length, step = len(boxes), config.step
    out = []
    for t in range(length):
        if t and out[-1][1] >= t:
            out.append(out[-1])
            continue
        ends = []
        for direction in (-1, 1):
            at = t
            while True:
                to = at + direction * step
                inside = (
                    to >= max(0, t - config.reach)
                    if direction < 0
                    else to < min(length, t + config.reach)
                )
                if not inside:
                    break
                reward = transition_reward(boxes[to], boxes[at], config.distance_weight)
                if reward < config.min_reward or quality[to] <= config.min_quality:
                    break
                at = to
            ends.append(at)
        out.append((min(ends[0] + config.trim, t), max(ends[1] - config.trim, t)))
    first, last = zip(*out, strict=True)
    return list(first), list(last)


def walk(seed: int, length: int) -> tuple[np.ndarray, np.ndarray]:
    """A box that walks, sometimes jumps, and is sometimes not to be trusted."""
    rng = np.random.default_rng(seed)
    step = rng.normal(0, 2, (length, 2)) + 60 * (rng.random((length, 1)) > 0.95)
    corner = np.cumsum(step, 0)
    quality = np.where(rng.random(length) > 0.9, 0.3, 0.8)
    return np.concatenate([corner, corner + 30], 1), quality


@pytest.mark.parametrize('seed', range(10))
@pytest.mark.parametrize(
    'changes', [{}, dict(step=1), dict(step=3, reach=20), dict(trim=1), dict(reach=7)]
)
def test_bounds_equal_the_walk(seed, changes):
    config = replace(CONFIG, **changes)
    boxes, quality = walk(seed, 150)
    first, last = fragment_bounds(boxes, quality, config)
    assert (first.tolist(), last.tolist()) == slow_bounds(boxes, quality, config)


@pytest.mark.parametrize('length', [1, 2, 3, 4, 5])
def test_short_tracks(length):
    boxes, quality = np.tile([0, 0, 10, 10.0], (length, 1)), np.ones(length)
    first, last = fragment_bounds(boxes, quality, CONFIG)
    assert (first.tolist(), last.tolist()) == slow_bounds(boxes, quality, CONFIG)
    assert (first <= np.arange(length)).all()
    assert (last >= np.arange(length)).all()


def test_a_still_box_is_one_fragment():
    first, last = fragment_bounds(np.tile([0, 0, 10, 10.0], (101, 1)), np.ones(101), CONFIG)
    assert set(first.tolist()) == {0}
    assert set(last.tolist()) == {100}


def test_reach_bounds_a_fragment():
    first, last = fragment_bounds(np.tile([0, 0, 10, 10.0], (1001, 1)), np.ones(1001), CONFIG)
    assert (first[0], last[0]) == (0, 318)  # less than 320 away
    assert (first[318], last[318]) == (0, 318)  # inherited
    assert (first[319], last[319]) == (1, 637)  # its own walk, less than 320 to the right


def test_a_jump_ends_a_fragment():
    boxes = np.tile([0, 0, 10, 10.0], (41, 1))
    boxes[20:] += 100
    first, last = fragment_bounds(boxes, np.ones(41), CONFIG)
    assert (first[0], last[0]) == (0, 18)
    assert last[:19].max() < 20 <= first[20:].min()


def test_quality_at_the_bound_ends_a_fragment():
    boxes, quality = np.tile([0, 0, 10, 10.0], (21, 1)), np.ones(21)
    quality[10] = CONFIG.min_quality
    assert fragment_bounds(boxes, quality, CONFIG)[1][0] == 8
    quality[10] += 1e-6
    assert fragment_bounds(boxes, quality, CONFIG)[1][0] == 20


def test_reward_at_the_bound_goes_on():
    # Two boxes of equal centre with IoU 0.5 have the reward 0.5.
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 10], [0, 2.5, 10, 7.5]])
    config = replace(CONFIG, min_reward=0.5)
    assert fragment_bounds(boxes, np.ones(3), config)[1][0] == 2
    assert fragment_bounds(boxes, np.ones(3), replace(config, min_reward=0.51))[1][0] == 0
