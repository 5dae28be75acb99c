"""VOT's measures on runs with a known fate, against slow twins, golden numbers and published
rules."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pytest import approx

from usot_plugin.evaluation.functional import vot_multistart, vot_reset
from usot_plugin.evaluation.functional.region_overlap import region_overlaps
from usot_plugin.evaluation.functional.vot_multistart import AnchorRun, score_multistart
from usot_plugin.evaluation.functional.vot_reset import (
    ResetRun,
    eao_of_curve,
    score_attribute,
    score_reset,
)
from usot_plugin.evaluation.results.vot_files import REGION
from usot_plugin.structures.regions import BoxRegion, FrameCode, parse_frame, parse_region

GOLDEN = Path(__file__).parents[1] / 'golden' / 'vot'


def reset_run(frames: int, failures: tuple[int, ...] = (), overlap: float = 1.0) -> ResetRun:
    """A run with the same overlap in every frame with a region."""
    codes = np.full(frames, REGION)
    codes[0] = FrameCode.INITIALISATION
    for frame in failures:
        codes[frame : frame + 6] = [
            FrameCode.FAILURE,
            *4 * [FrameCode.UNKNOWN],
            FrameCode.INITIALISATION,
        ][: frames - frame]
    return ResetRun(np.where(codes == REGION, overlap, 0.0), codes)


def random_reset_run(rng, frames: int) -> ResetRun:
    codes, start = np.full(frames, REGION), 0
    while start < frames:
        codes[start] = FrameCode.INITIALISATION
        failure = start + int(rng.integers(1, 40))
        codes[failure : failure + 5] = [FrameCode.FAILURE, *4 * [FrameCode.UNKNOWN]][
            : max(frames - failure, 0)
        ]
        start = failure + 5
    return ResetRun(np.where(codes == REGION, rng.uniform(0, 1, frames), 0.0), codes)


@pytest.mark.parametrize('style', vot_reset.STYLES)
def test_perfect_tracker(style):
    score = score_reset([[reset_run(60)], [reset_run(40)]], 5, 20, style)
    assert (score.accuracy, score.failures, score.robustness, score.reliability) == (1, 0, 0, 1)
    assert score.eao == approx(1)


def test_burn_in_leaves_out_ten_frames_after_each_start():
    run = reset_run(40, failures=(15,))
    assert np.flatnonzero(run.counted()).tolist() == [10, 11, 12, 13, 14, *range(30, 40)]
    assert run.counted(burn_in=1).sum() == 40 - 1 - 6


def test_accuracy_pools_frames_in_pysot_and_averages_sequences_by_length_in_the_toolkit():
    # 5 and 90 frames count; the sequences are 15 and 100 frames long.
    sequences = [[reset_run(15, overlap=0.2)], [reset_run(100, overlap=0.8)]]
    assert score_reset(sequences, 1, 5, 'pysot').accuracy == approx((5 * 0.2 + 90 * 0.8) / 95)
    assert score_reset(sequences, 1, 5, 'toolkit').accuracy == approx((15 * 0.2 + 100 * 0.8) / 115)


def test_repetitions_are_averaged_frame_by_frame_in_pysot_and_run_by_run_in_the_toolkit():
    # The second run fails at frame 12: only frames 10 and 11 of it count, and it starts too late
    # again.
    sequences = [[reset_run(20, overlap=0.5), reset_run(20, failures=(12,), overlap=0.9)]]
    assert score_reset(sequences, 1, 5, 'pysot').accuracy == approx((2 * 0.7 + 8 * 0.5) / 10)
    assert score_reset(sequences, 1, 5, 'toolkit').accuracy == approx((0.5 + 0.9) / 2)


def test_failures_per_run_per_hundred_frames_and_reliability():
    # Sequence of 50 frames: 2 and 1 failures in two runs; sequence of 150 frames: one failure.
    sequences = [
        [reset_run(50, failures=(5, 20)), reset_run(50, failures=(7,))],
        [reset_run(150, failures=(100,))],
    ]
    score = score_reset(sequences, 5, 20)
    assert score.failures == approx(2.5)
    assert score.robustness == approx(100 * 2.5 / 200)
    weighted = (1.5 * 50 + 1 * 150) / 200
    assert score.failures_per_sequence == approx(weighted)
    assert score.reliability == approx(np.exp(-30 * weighted / 100))


def test_no_frame_that_counts():
    assert np.isnan(score_reset([[reset_run(8)]], 1, 2, 'pysot').accuracy)
    assert score_reset([[reset_run(8)]], 1, 2, 'toolkit').accuracy == 0


def test_curve_of_a_failure_by_hand():
    # Start, three frames of overlap 1, failure at frame 4, start at frame 9, to the end at frame
    # 11.
    run = reset_run(12, failures=(4,))
    falling = [3 / n for n in range(3, 12)]
    pysot = vot_reset.eao_curve([[run]], 'pysot')
    assert pysot[:3] == approx([1, 1, 1])
    assert pysot[3:] == approx(falling)
    toolkit = vot_reset.eao_curve([[run]], 'toolkit')
    # The longest fragment has four frames; the second one drops out after its two.
    assert toolkit == approx([0, 1, 1, 1])
    assert eao_of_curve(pysot, 2, 4, 'pysot') == approx(np.mean(pysot[1:4]))
    assert eao_of_curve(toolkit, 2, 3, 'toolkit') == approx(np.mean(toolkit[2:4]))


def test_second_fragment_drops_out_at_its_end():
    # One run fails at frame 3 of 30, the other fragment (start 8) tracks with 1 for 21 frames.
    curve = vot_reset.eao_curve([[reset_run(30, failures=(3,))]], 'pysot')
    assert curve[21] == approx((2 / 21 + 1) / 2)
    assert curve[22] == approx(2 / 22)


def test_late_failure_is_none_to_pysot_and_a_failure_to_the_toolkit():
    # Five frames after the failure there is no frame left.
    sequences = [[reset_run(12, failures=(9,))], [reset_run(30)]]
    assert vot_reset.eao_curve(sequences, 'pysot')[20] == approx(1)
    assert vot_reset.eao_curve(sequences, 'toolkit')[20] == approx((8 / 20 + 1) / 2)


def test_window_beyond_every_sequence():
    assert np.isnan(score_reset([[reset_run(20)]], 100, 356, 'pysot').eao)
    assert np.isnan(score_reset([[reset_run(20)]], 100, 356, 'toolkit').eao)


def _slow_pysot_eao(sequences, low, high):
    """Fragment by fragment, length by length."""
    longest = max(len(runs[0].codes) for runs in sequences)
    fragments = []
    for run in (run for runs in sequences for run in runs):
        values = [
            0.0 if code != REGION else value
            for value, code in zip(run.overlaps, run.codes, strict=True)
        ]
        begin = 0
        for frame in run.failures:
            if frame + 5 > len(values):
                continue
            row = values[begin : frame + 6]
            clipped = len(row) / (
                frame + 5 - begin + 1
            )  # the share of the fragment inside the sequence
            fragments.append((row + [0.0] * (longest - len(row)), clipped))
            begin = frame + 5
        if begin < len(values):
            fragments.append((values[begin:], 1.0))
    curve = [1.0]
    for length in range(1, longest):
        alive = [
            (sum(row[1 : length + 1]) / length, weight)
            for row, weight in fragments
            if len(row) > length
        ]
        curve.append(
            sum(mean * weight for mean, weight in alive) / sum(weight for _, weight in alive)
            if alive
            else 0.0
        )
    return np.mean(curve[low - 1 : high])


@pytest.mark.parametrize('seed', range(4))
def test_pysot_eao_equals_a_slow_twin(seed):
    rng = np.random.default_rng(seed)
    sequences = [
        [random_reset_run(rng, frames) for _ in range(3)]
        for frames in rng.integers(20, 120, 6).tolist()
    ]
    assert score_reset(sequences, 10, 60).eao == approx(
        _slow_pysot_eao(sequences, 10, 60), abs=1e-12
    )


@pytest.mark.parametrize('style', vot_reset.STYLES)
def test_order_of_sequences_and_runs_does_not_matter(style):
    rng = np.random.default_rng(9)
    sequences = [[random_reset_run(rng, frames) for _ in range(2)] for frames in (40, 70, 55)]
    score, turned = (
        score_reset(some, 5, 30, style)
        for some in (sequences, [runs[::-1] for runs in sequences[::-1]])
    )
    assert (score.eao, score.accuracy, score.failures) == approx(
        (turned.eao, turned.accuracy, turned.failures)
    )


def test_attribute_that_is_everywhere_gives_the_whole():
    rng = np.random.default_rng(2)
    sequences = [[random_reset_run(rng, frames)] for frames in (60, 80)]
    whole, flags = score_reset(sequences, 5, 30), [np.ones(60, bool), np.ones(80, bool)]
    score = score_attribute(sequences, flags, 5, 30)
    assert (score.frames, score.accuracy, score.failures, score.eao) == approx(
        (140, whole.accuracy, whole.failures, whole.eao)
    )


def test_attribute_weighs_fragments_by_its_share():
    sequences, flags = (
        [[reset_run(30, overlap=0.2)], [reset_run(30, overlap=0.8)]],
        [np.arange(30) < 15, np.arange(30) < 30],
    )
    score = score_attribute(sequences, flags, 5, 20)
    assert score.eao == approx((0.5 * 0.2 + 1 * 0.8) / 1.5)
    assert score.accuracy == approx((5 * 0.2 + 20 * 0.8) / 25)
    nowhere = score_attribute(sequences, [np.zeros(30, bool)] * 2, 5, 20)
    assert (
        nowhere.frames == nowhere.failures == 0
        and np.isnan(nowhere.accuracy)
        and np.isnan(nowhere.eao)
    )


@pytest.mark.parametrize(
    ('rule', 'eao', 'accuracy', 'tolerance'),
    [
        ('toolkit', 0.6661, 0.5826, 5e-5),
        ('exact', 0.6906, 0.5929, 5e-5),
        ('pysot', 0.694, 0.596, 5e-4),
    ],
)
def test_mmtracking_numbers(rule, eao, accuracy, tolerance):
    sequences = []
    for video in (1, 2):
        stem = f'mmtracking_video-{video}_vot2018'
        annotated = [
            parse_region(line)
            for line in (GOLDEN / f'{stem}_gt_for_eval.txt').read_text().splitlines()
        ]
        lines = (GOLDEN / f'{stem}_track_results.txt').read_text().splitlines()
        entries = [
            BoxRegion(line.split(',')) if ',' in line else parse_frame(line) for line in lines
        ]
        codes = np.array(
            [REGION if isinstance(entry, BoxRegion) else int(entry) for entry in entries]
        )
        sequences.append([ResetRun(region_overlaps(entries, annotated, (512, 256), rule), codes)])
    score = score_reset(sequences, 1, 3, 'toolkit')
    assert (score.eao, score.accuracy) == approx((eao, accuracy), abs=tolerance)
    assert score.robustness == approx(6.0)


@pytest.mark.parametrize(
    ('call', 'message'),
    [
        (lambda: score_reset([], 1, 2), 'no run to score'),
        (lambda: score_reset([[]], 1, 2), 'no run to score'),
        (lambda: score_reset([[reset_run(9)]], 5, 2), 'needs 1 <= low <= high, got 5..2'),
        (lambda: score_reset([[reset_run(9)]], 1, 2, 'vot'), "unknown style 'vot'"),
        (lambda: ResetRun(np.zeros(3), np.zeros(3, int)), 'begins with a start'),
        (lambda: ResetRun(np.zeros(2), np.ones(3, int)), '2 overlaps for 3 frames'),
        (lambda: AnchorRun(np.array([0, np.nan]), np.ones(2, bool)), 'overlap of frame 1 is nan'),
        (lambda: AnchorRun(np.zeros(2), np.ones(3, bool)), '2 overlaps for 3 frames'),
        (lambda: score_multistart([], []), 'no run to score'),
        (lambda: score_multistart([[anchor_run(9)]], []), '0 lengths for 1 sequences'),
        (lambda: score_multistart([[anchor_run(9)]], [9], 9, 9), 'needs 1 <= low < high'),
        (lambda: score_multistart([[anchor_run(9)]], [9], grace=0), 'grace is at least 1'),
    ],
)
def test_impossible_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def anchor_run(
    frames: int, failure: int | None = None, overlap: float = 1.0, absent: tuple[int, ...] = ()
) -> AnchorRun:
    """A run with overlap 0 at its start, then the same overlap up to a failure."""
    overlaps = np.full(frames, overlap)
    overlaps[0] = 0
    if failure is not None:
        overlaps[failure:] = 0
    return AnchorRun(overlaps, ~np.isin(np.arange(frames), absent))


def test_progress_ends_at_the_first_of_ten_misses():
    assert anchor_run(40, failure=15).progress() == 15
    assert anchor_run(40, failure=31).progress() == 40  # nine misses are none
    assert anchor_run(40, failure=30).progress() == 30
    assert (
        anchor_run(40, overlap=0.1).progress() == 0
    )  # the start counts as a miss, as in the toolkit
    assert anchor_run(5, failure=1).progress() == 5


def test_absent_frames_break_the_row_of_misses():
    assert anchor_run(40, failure=15, absent=(20,)).progress() == 21
    assert anchor_run(40, failure=15, absent=tuple(range(20, 40, 5))).progress() == 40


def test_accuracy_and_robustness_of_two_sequences_by_hand():
    # 50 frames: one run fails at 20, one does not; 100 frames: one run that does not fail.
    sequences = [
        [anchor_run(50, failure=20, overlap=0.5), anchor_run(30, overlap=0.5)],
        [anchor_run(100, overlap=0.8)],
    ]
    score = score_multistart(sequences, [50, 100], 2, 40)
    assert score.accuracy == approx((19 * 0.5 + 29 * 0.5 + 99 * 0.8) / (20 + 30 + 100))
    assert score.robustness == approx((50 * (50 / 80) + 100 * 1) / 150)


def test_multi_start_curve_by_hand():
    # A failed run goes on behind its end with the divisor j - 1, another one drops out.
    curve = vot_multistart.eao_curve([anchor_run(20, failure=5), anchor_run(12)], 30)
    assert curve[0] == 0
    assert curve[1:5] == approx(1)
    assert curve[11] == approx((4 / 11 + 1) / 2)
    assert curve[12:20] == approx([4 / n for n in range(12, 20)])
    assert curve[20:] == approx([4 / (n - 1) for n in range(20, 30)])


def test_curve_is_zero_where_no_run_is_left():
    score = score_multistart([[anchor_run(30)]], [30], 10, 50)
    assert score.curve[30:].tolist() == 20 * [0]
    assert score.eao == approx(20 / 40)
