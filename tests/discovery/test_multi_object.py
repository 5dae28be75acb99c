from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from usot_plugin.discovery import DiscoveryConfig
from usot_plugin.discovery.config import ObjectsConfig
from usot_plugin.discovery.multi_object import link_objects, overlap_of_smaller
from usot_plugin.discovery.trajectory_dp import best_trajectory

OBJECTS = ObjectsConfig(per_clip=5, min_picks=3)
SEVERAL = DiscoveryConfig(objects=OBJECTS)


def two_walkers(length: int = 12) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two boxes that walk side by side, the larger one listed first; boxes, frames, whose candidate
    it is."""
    boxes, frames, owner = [], [], []
    for frame in range(length):
        for who, (x, y, size) in enumerate([(20 + 2 * frame, 20, 30), (150 - 2 * frame, 100, 20)]):
            boxes.append([x, y, x + size, y + size])
            frames.append(3 * frame + 3)
            owner.append(who)
    return np.array(boxes, np.float64), np.array(frames), np.array(owner)


def test_each_walker_gets_its_own_trajectory():
    boxes, frames, owner = two_walkers()
    paths = link_objects(boxes, frames, SEVERAL)
    assert [set(owner[path].tolist()) for path in paths] in ([{0}, {1}], [{1}, {0}])
    assert [len(path) for path in paths] == [12, 12]


def test_first_trajectory_is_the_one_of_the_single_object_mode():
    boxes, frames, _ = two_walkers()
    single = link_objects(boxes, frames, DiscoveryConfig())
    assert len(single) == 1
    assert (
        single[0].tolist() == best_trajectory(boxes, frames, DiscoveryConfig().trajectory).tolist()
    )
    assert link_objects(boxes, frames, SEVERAL)[0].tolist() == single[0].tolist()


def test_no_candidate_serves_twice_and_paths_are_sorted():
    rng = np.random.default_rng(0)
    corner = rng.uniform(0, 100, (200, 2))
    boxes, frames = np.concatenate([corner, corner + 20], 1), np.sort(rng.integers(0, 40, 200))
    paths = link_objects(boxes, frames, DiscoveryConfig(objects=replace(OBJECTS, per_clip=20)))
    used = np.concatenate(paths)
    assert len(used) == len(np.unique(used))
    assert all((np.diff(frames[path]) > 0).all() for path in paths)
    assert all(len(path) >= 3 for path in paths)


def test_number_of_objects_is_bounded():
    boxes, frames, _ = two_walkers()
    assert (
        len(link_objects(boxes, frames, DiscoveryConfig(objects=replace(OBJECTS, per_clip=1)))) == 1
    )


def test_part_of_the_same_object_is_no_second_object():
    boxes, frames, _ = two_walkers()
    parts = np.concatenate(
        [boxes[:, :2], boxes[:, :2] + 10], 1
    )  # the top left of each box, as a higher threshold gives it
    order = np.argsort(np.r_[frames, frames], kind='stable')
    paths = link_objects(np.r_[boxes, parts][order], np.r_[frames, frames][order], SEVERAL)
    assert len(paths) == 2
    kept = link_objects(
        np.r_[boxes, parts][order],
        np.r_[frames, frames][order],
        DiscoveryConfig(objects=replace(OBJECTS, suppress_overlap=1.0)),
    )
    assert len(kept) == 4


def test_short_paths_are_left_out():
    boxes, frames, _ = two_walkers(4)
    assert (
        len(link_objects(boxes, frames, DiscoveryConfig(objects=replace(OBJECTS, min_picks=4))))
        == 2
    )
    assert link_objects(boxes, frames, DiscoveryConfig(objects=replace(OBJECTS, min_picks=5))) == []


def test_no_candidate_no_object():
    assert link_objects(np.empty((0, 4)), np.empty(0, np.int64), SEVERAL) == []


@pytest.mark.parametrize(
    ('other', 'share'),
    [
        ([0, 0, 10, 10], 1.0),
        ([2, 2, 4, 4], 1.0),
        ([5, 0, 15, 10], 0.5),
        ([20, 20, 30, 30], 0.0),
        ([3, 3, 3, 3], 0.0),
    ],
)
def test_overlap_of_the_smaller_box(other, share):
    first, second = np.array([0, 0, 10, 10.0]), np.array(other, np.float64)
    assert overlap_of_smaller(first, second) == pytest.approx(share)
    assert overlap_of_smaller(second, first) == pytest.approx(share)
