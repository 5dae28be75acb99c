from __future__ import annotations

import numpy as np
import pytest
from pytest import approx

from usot_plugin.datasets.samplers.frame_samplers import NoFrameError, QualityFrames, WindowFrames
from usot_plugin.datasets.track import Track


def make_track(length=40, first=10, quality=0.6, seed=0, **columns) -> Track:
    rng = np.random.default_rng(seed)
    values = {
        'boxes_xyxy': np.tile(np.array([10, 10, 50, 40], np.float32), (length, 1)),
        'frame_quality': rng.uniform(0.2, 1, length).astype(np.float32),
        'centrality': rng.uniform(0, 0.2, length).astype(np.float32),
        'fragment_first': np.full(length, first, np.int32),
        'fragment_last': np.full(length, first + length - 1, np.int32),
        **columns,
    }
    return Track(
        'clip', 'path', first_frame=first, length=length, sequence_quality=quality, **values
    )


def slow_score(track: Track, frame: int, stage: str) -> float:
    at = frame - track.first_frame
    if stage == 'naive':
        return float(track.frame_quality[at] + 2 / 3 * track.centrality[at])
    span = track.fragment_last[at] - track.fragment_first[at]
    return float(track.frame_quality[at] + 0.5 * track.centrality[at] + span / (2 * track.length))


@pytest.mark.parametrize('stage', ['naive', 'cycle'])
def test_the_template_is_the_best_of_the_drawn_frames(stage):
    rng = np.random.default_rng(3)
    track = make_track(
        fragment_first=rng.integers(10, 25, 40).astype(np.int32),
        fragment_last=rng.integers(30, 50, 40).astype(np.int32),
    )
    for seed in range(50):
        # Slow twin: int(3 / 0.6) = 5 frames with replacement, scored one by one.
        drawn = np.random.default_rng(seed).choice(np.arange(10, 50), 5).tolist()
        best = max(drawn, key=lambda frame: slow_score(track, frame, stage))
        views = QualityFrames().draw(track, np.random.default_rng(seed), stage)
        assert views['template'] == views['search'] == [best]
        assert ('memory' in views) == (stage == 'cycle')


@pytest.mark.parametrize(
    'quality, count', [(1.0, 3), (0.6, 5), (float(np.float32(0.6)), 5), (0.41, 7), (0.0, 60)]
)
def test_a_worse_track_gets_more_draws(quality, count):
    # With n draws of L equal frames the best rank u in [0, 1] has mean n / (n + 1).
    length = 2000
    track = make_track(
        length,
        0,
        quality,
        frame_quality=np.linspace(0, 1, length).astype(np.float32),
        centrality=np.zeros(length, np.float32),
    )
    sampler, rng = QualityFrames(), np.random.default_rng(0)
    ranks = [sampler.draw(track, rng, 'naive')['template'][0] / (length - 1) for _ in range(1500)]
    assert np.mean(ranks) == approx(count / (count + 1), abs=0.015)


def test_memory_frames_are_the_farthest_of_those_drawn_in_the_passage():
    track = make_track(
        100, 0, fragment_first=np.full(100, 20, np.int32), fragment_last=np.full(100, 70, np.int32)
    )
    sampler = QualityFrames(memory=4, extra_memory=3)
    distances = []
    for seed in range(300):
        rng = np.random.default_rng(seed)
        drawn = np.random.default_rng(seed)
        views = sampler.draw(track, rng, 'cycle')
        drawn.choice(np.arange(100), 5)  # the template's draw
        seven = drawn.choice(np.arange(20, 71), 7, replace=False)
        (template,) = views['template']
        expected = sorted(sorted(seven.tolist(), key=lambda frame: -abs(frame - template))[:4])
        far = sorted(abs(f - template) for f in views['memory'])
        assert far == sorted(
            abs(f - template) for f in expected
        )  # equal distances may come from either side
        assert views['memory'] == sorted(views['memory']) and len(set(views['memory'])) == 4
        assert views['memory'][0] >= 20 and views['memory'][-1] <= 70
        distances.append(np.mean(far))
    assert np.mean(distances) > 22  # four of seven at random would be nearer


def test_a_short_passage_repeats_frames():
    track = make_track(
        30, 0, fragment_first=np.full(30, 5, np.int32), fragment_last=np.full(30, 6, np.int32)
    )
    frames = QualityFrames().draw(track, np.random.default_rng(0), 'cycle')['memory']
    assert len(frames) == 4 and set(frames) <= {5, 6}


def test_a_passage_without_a_readable_frame_is_an_outcome_not_a_crash():
    # The template's own frame is readable, but a hand-made passage does not hold it.
    track = make_track(
        30, 0, fragment_first=np.full(30, 40, np.int32), fragment_last=np.full(30, 45, np.int32)
    )
    with pytest.raises(NoFrameError, match='clip'):
        QualityFrames().draw(track, np.random.default_rng(0), 'cycle')


def test_only_frames_with_a_box_that_can_be_read_are_drawn():
    boxes = np.tile(np.array([10, 10, 50, 40], np.float32), (40, 1))
    boxes[:30] = np.nan
    available = np.arange(40) % 2 == 0
    track = Track('clip', 'path', first_frame=100, length=40, boxes_xyxy=boxes, available=available)
    frames = {
        f
        for s in range(60)
        for g in QualityFrames().draw(track, np.random.default_rng(s), 'cycle').values()
        for f in g
    }
    assert frames == {130, 132, 134, 136, 138}
    with pytest.raises(NoFrameError, match='clip'):
        QualityFrames().draw(
            Track('clip', '', length=3, boxes_xyxy=np.full((3, 4), np.nan)),
            np.random.default_rng(0),
            'naive',
        )


def test_a_whole_clip_is_a_track_of_equal_frames():
    track = Track('clip', 'path', length=12)
    drawn = [
        QualityFrames().draw(track, np.random.default_rng(s), 'naive')['template'][0]
        for s in range(600)
    ]
    counts = np.bincount(drawn, minlength=12)
    assert counts.min() > 25 and counts.max() < 80  # 50 each


def test_windows_hold_different_frames_in_order_of_time():
    sampler = WindowFrames(count=3, span=10)
    track = Track('clip', 'path', length=30)
    seen = set()
    for seed in range(400):
        frames = sampler.draw(track, np.random.default_rng(seed), 'naive')['frames']
        assert frames == sorted(set(frames)) and frames[-1] - frames[0] < 10 and len(frames) == 3
        seen.update(frames)
    assert seen == set(range(30))


def test_windows_name_views_by_position():
    sampler = WindowFrames(
        count=3, span=6, views={'template': [0], 'search': [0], 'memory': [1, 2]}
    )
    assert sampler.view_names == ('template', 'search', 'memory')
    views = sampler.draw(Track('clip', 'path', length=9), np.random.default_rng(0), 'naive')
    assert views['template'] == views['search'] and len(views['memory']) == 2
    assert views['template'][0] < views['memory'][0] < views['memory'][1]


def test_windows_leave_gaps_out_and_need_enough_frames():
    boxes = np.full((20, 4), np.nan)
    boxes[[2, 3, 15, 16, 17]] = (0, 0, 5, 5)
    track = Track('clip', 'path', length=20, boxes_xyxy=boxes)
    for seed in range(20):
        assert WindowFrames(3, 4).draw(track, np.random.default_rng(seed), 'naive')['frames'] == [
            15,
            16,
            17,
        ]
    with pytest.raises(NoFrameError, match='within 2'):
        WindowFrames(2, 2).draw(Track('clip', 'path', length=1), np.random.default_rng(0), 'naive')


@pytest.mark.parametrize(
    'kwargs', [{'count': 0}, {'count': 5, 'span': 4}, {'views': {'a': [3]}}, {'views': {}}]
)
def test_impossible_windows_are_refused(kwargs):
    with pytest.raises(ValueError, match='WindowFrames'):
        WindowFrames(**kwargs)


def test_search_may_be_another_frame_of_the_passage():
    first = np.where(np.arange(40) < 15, 10, 25).astype(np.int32)
    last = np.where(np.arange(40) < 15, 24, 49).astype(np.int32)
    track = make_track(fragment_first=first, fragment_last=last)
    sampler, rng = QualityFrames(search_gap_frames=6), np.random.default_rng(0)
    gaps = set()
    for _ in range(300):
        views = sampler.draw(track, rng, 'cycle')
        (template,), (search,) = views['template'], views['search']
        low, high = track.fragment(template)
        assert low <= search <= high
        gaps.add(search - template)
    assert gaps == set(range(-6, 7))


def test_search_stays_with_a_template_that_is_alone():
    alone = np.full((40, 4), np.nan, np.float32)
    alone[7] = (10, 10, 50, 40)
    views = QualityFrames(search_gap_frames=6).draw(
        make_track(boxes_xyxy=alone), np.random.default_rng(0), 'naive'
    )
    assert views['template'] == views['search'] == [17]


def test_windows_say_how_many_frames_each_view_has():
    sampler = WindowFrames(count=3, views=dict(template=[0], search=[0], hops=[1, 2]))
    assert sampler.view_counts == {'template': 1, 'search': 1, 'hops': 2}
    assert {
        name: len(frames)
        for name, frames in sampler.draw(make_track(), np.random.default_rng(0), 'naive').items()
    } == sampler.view_counts
