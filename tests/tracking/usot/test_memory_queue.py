"""The bounded memory queue."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.models.usot_parity import GOLDEN
from usot_plugin.tracking.usot.memory_queue import FIRST_SCORE, MemoryQueue, merge_multiplicity


def filled(scores, rule, size=7):
    queue = MemoryQueue('first', 'mirror', size, rule)
    for frame, score in enumerate(scores, start=1):
        queue = queue.push(frame, score)
    return queue


def test_legacy_picks_equal_the_release():
    data = json.loads((GOLDEN / 'memory_pick.json').read_text())
    queue = MemoryQueue(-1, -2, 7, 'legacy')
    for length in range(1, 61):
        # Ours holds the first frame's entry where the release holds history index 0: the same
        # features.
        entries = queue.entries()
        history = sorted(0 if entry == -1 else entry for entry in entries[2:])
        assert entries[:2] + history == data['picks'][str(length)]
        if length < 60:
            queue = queue.push(length, data['conf'][length])


@pytest.mark.parametrize('rule', ['segments', 'top_scores', 'legacy'])
def test_queue_has_its_size_from_the_first_frame_on_and_stays_bounded(rule):
    queue = MemoryQueue('first', 'mirror', 7, rule)
    assert queue.entries() == ['first', 'mirror'] + ['first'] * 5
    for frame in range(1, 2000):
        queue = queue.push(frame, 0.5)
        assert len(queue.entries()) == 7 and queue.entries()[-1] == frame
        assert len(queue.past) <= 16


def test_segment_rule_finds_the_best_of_each_quarter_while_buckets_hold_single_frames():
    rng = np.random.default_rng(0)
    scores = rng.random(16)
    history = filled(scores, 'segments').entries()[2:6]
    past = [FIRST_SCORE, *scores[:15]]  # the latest frame has its own place
    expected = [
        segment * 4 + int(np.argmax(past[segment * 4 : segment * 4 + 4])) for segment in range(4)
    ]
    assert [0 if entry == 'first' else entry for entry in history] == expected


def test_segment_rule_over_a_long_video_is_exact_to_one_bucket():
    rng = np.random.default_rng(1)
    scores = rng.random(1000)
    queue = filled(scores, 'segments')
    past = np.array([FIRST_SCORE, *scores[:-1]])
    for segment, entry in enumerate(queue.entries()[2:6]):
        frame = 0 if entry == 'first' else entry
        slack = queue.bucket_frames
        assert segment * 250 - slack <= frame < (segment + 1) * 250 + slack
        assert past[frame] >= past[segment * 250 + slack : (segment + 1) * 250 - slack].max()


def test_top_scores_are_the_highest_so_far():
    queue = filled([0.1, 0.8, 0.3, 0.95, 0.7, 0.6, 0.99], 'top_scores')
    assert queue.entries()[2:] == [4, 'first', 2, 5, 7]


def test_push_leaves_the_old_queue_alone():
    queue = filled([0.5, 0.6], 'segments')
    before = queue.entries()
    queue.push('new', 0.9)
    assert queue.entries() == before


def test_multiplicity_counts_the_same_object():
    a, b = ('a',), ('b',)
    assert merge_multiplicity([a, b, b, a, a]) == [(a, 3), (b, 2)]


@pytest.mark.parametrize(('size', 'rule'), [(3, 'segments'), (7, 'newest')])
def test_nonsense_is_refused(size, rule):
    with pytest.raises(ValueError):
        MemoryQueue('first', 'mirror', size, rule)
