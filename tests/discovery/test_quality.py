from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from usot_plugin.discovery import drop_reason, is_kept, is_samplable
from usot_plugin.discovery.config import QualityConfig
from usot_plugin.discovery.quality import (
    centrality,
    corner_share,
    cut_borders,
    frame_quality,
    sampling_value,
)
from usot_plugin.structures import PseudoTrack

CONFIG = QualityConfig()
BORDERS = cut_borders((320, 160), 1 / 32)


def track_of(quality: float, corners: float) -> PseudoTrack:
    flags, numbers = np.ones(3, bool), np.ones(3, np.float32)
    return PseudoTrack(
        0,
        0,
        np.ones((3, 4), np.float32),
        flags,
        flags,
        numbers,
        numbers,
        np.zeros(3, np.int32),
        np.zeros(3, np.int32),
        quality,
        corners,
    )


def test_borders_lose_the_margin():
    assert BORDERS == (10, 5, 310, 155)


def slow_frame_quality(evaluated, picked, radius):
    out = []
    for t in range(len(evaluated)):
        around = [
            i for i in range(t - radius, t + radius + 1) if 0 <= i < len(evaluated) and evaluated[i]
        ]
        out.append(sum(bool(picked[i]) for i in around) / len(around) if around else 0.0)
    return out


@pytest.mark.parametrize('radius', [0, 1, 9, 100])
def test_frame_quality_equals_a_slow_loop(radius):
    rng = np.random.default_rng(radius)
    evaluated = np.zeros(50, bool)
    evaluated[3:47:3] = True
    picked = evaluated & (rng.random(50) > 0.4)
    assert frame_quality(evaluated, picked, radius).tolist() == pytest.approx(
        slow_frame_quality(evaluated, picked, radius)
    )


def test_frame_quality_where_nothing_was_evaluated():
    evaluated = np.array([True, False, False, False])
    assert frame_quality(evaluated, evaluated, 1).tolist() == [1, 1, 0, 0]


@pytest.mark.parametrize(
    ('box', 'weight'),
    [
        ((100, 60, 140, 90), 0.0),  # free
        ((20, 60, 140, 90), 0.0),  # exactly 10 px from the left border: does not touch
        ((19, 60, 140, 90), 0.3),  # left
        ((100, 60, 301, 90), 0.3),  # right
        ((100, 14, 140, 90), 0.3),  # top
        ((100, 60, 140, 146), 0.3),  # bottom
        ((19, 14, 140, 90), 1.0),  # a corner
        ((19, 60, 301, 90), 0.3),  # left and right are one axis
    ],
)
def test_corner_weight_of_one_box(box, weight):
    assert corner_share(np.array([box]), BORDERS, 10, 0.3) == pytest.approx(weight)


def test_corner_share_is_a_mean_over_frames():
    boxes = np.array([(100, 60, 140, 90), (19, 60, 140, 90), (19, 14, 140, 90), (100, 60, 140, 90)])
    assert corner_share(boxes, BORDERS, 10, 0.3) == pytest.approx(1.3 / 4)


@pytest.mark.parametrize(
    ('box', 'bonus'),
    [
        ((100, 60, 140, 90), 0.2),  # both axes capped
        ((25, 60, 140, 90), 0.15),  # 15 of 300 px on x
        ((10, 5, 310, 155), 0.0),  # the whole frame
        ((0, 0, 40, 40), 0.0),  # over the border
    ],
)
def test_centrality_of_one_box(box, bonus):
    assert centrality(np.array([box]), BORDERS, 0.1) == pytest.approx(bonus)


@pytest.mark.parametrize(
    ('quality', 'corners', 'kept', 'samplable'),
    [
        (1.0, 0.0, True, True),
        (0.34, 0.0, False, False),  # quality
        (0.36, 0.0, True, False),  # kept, but below theta_1
        (0.41, 0.0, True, True),
        (0.9, 0.41, False, False),  # corners
        (0.9, 0.39, True, False),  # too many corners to sample
        (0.9, 0.25, True, False),  # the bound is exclusive
        (0.9, 0.24, True, True),
        (0.38, 0.2, False, False),  # value 0.31
        (0.45, 0.2, True, False),  # value 0.383
    ],
)
def test_keep_and_sample_rules(quality, corners, kept, samplable):
    track = track_of(quality, corners)
    assert is_kept(track, CONFIG) == kept
    assert is_samplable(track, CONFIG) == samplable
    assert (drop_reason(track, CONFIG) is None) == kept


@pytest.mark.parametrize(
    ('quality', 'corners', 'reason', 'words'),
    [
        (0.2, 0.0, 'sequence quality', 'sequence quality 0.20 is below 0.35'),
        (0.9, 0.5, 'corner share', 'corner share 0.50 is above 0.40'),
        (0.38, 0.3, 'sequence quality less corner share', 'corner share, 0.28, is below 0.33'),
    ],
)
def test_drop_reason_has_the_numbers(quality, corners, reason, words):
    dropped = drop_reason(track_of(quality, corners), CONFIG)
    assert dropped is not None and dropped[0] == reason and words in dropped[1]


def test_rules_follow_the_config():
    track = track_of(0.36, 0.0)
    assert not is_kept(track, replace(CONFIG, min_sequence_quality=0.5))
    assert is_samplable(track, replace(CONFIG, sample_min_value=0.35))
    assert sampling_value(track_of(0.9, 0.3), CONFIG) == pytest.approx(0.8)
