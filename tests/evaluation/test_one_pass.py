"""One-pass measures: closed forms, a slow twin, invariances, and the numbers of two toolkits."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from pytest import approx

from usot_plugin.evaluation.functional import (
    CONVENTIONS,
    NORMALISED_THRESHOLDS,
    PRECISION_THRESHOLDS_PX,
    SUCCESS_THRESHOLDS,
    centre_errors,
    mean_score,
    normalised_centre_errors,
    precision_curve,
    score_one_pass,
    success_auc,
    success_curve,
)
from usot_plugin.structures.boxes import iou, xywh_to_xyxy

GOLDEN = Path(__file__).parents[1] / 'golden'
ABSENT = np.full(4, np.nan)


def random_tracks(seed: int, frames: int = 60) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    annotated = xywh_to_xyxy(
        np.concatenate([rng.uniform(0, 200, (frames, 2)), rng.uniform(5, 80, (frames, 2))], 1)
    )
    predicted = annotated + rng.normal(0, 15, annotated.shape)
    predicted[:, 2:] = np.maximum(predicted[:, 2:], predicted[:, :2] + 1)
    return predicted, annotated


def test_success_auc_of_three_frames():
    # IoU 1.0 clears 20 of 21 thresholds, 0.5 clears 10, 0.0 none.
    assert success_auc(np.array([1.0, 0.5, 0.0])) == approx((20 + 10 + 0) / (3 * 21))


def test_thresholds():
    assert (
        len(SUCCESS_THRESHOLDS) == 21
        and SUCCESS_THRESHOLDS[10] == 0.5
        and SUCCESS_THRESHOLDS[-1] == 1
    )
    assert len(PRECISION_THRESHOLDS_PX) == 51 and PRECISION_THRESHOLDS_PX[-1] == 50
    assert len(NORMALISED_THRESHOLDS) == 51 and NORMALISED_THRESHOLDS[-1] == 0.5


def test_success_is_strict_and_precision_is_not():
    assert success_curve(np.array([0.5]), np.array([0.45, 0.5])).tolist() == [1, 0]
    assert precision_curve(np.array([20.0]), np.array([19.0, 20.0])).tolist() == [0, 1]


def test_nan_is_a_miss_but_counts():
    assert success_curve(np.array([1.0, np.nan]), np.array([0.5])).tolist() == [0.5]
    assert precision_curve(np.array([0.0, np.nan]), np.array([50.0])).tolist() == [0.5]


def test_no_frame_is_refused():
    with pytest.raises(ValueError, match='no frame'):
        success_curve(np.array([]))
    with pytest.raises(ValueError, match='no frame'):
        score_one_pass(np.zeros((2, 4)), np.tile(ABSENT, (2, 1)))


def test_centre_errors_of_known_boxes():
    annotated = np.array([[0.0, 0, 10, 40]])
    predicted = annotated + np.array([[3.0, 4, 3, 4]])
    assert centre_errors(predicted, annotated) == approx([5])
    assert normalised_centre_errors(predicted, annotated) == approx([np.hypot(0.3, 0.1)])


def test_both_normalised_precisions_of_one_frame():
    # An error of 0.3 target widths misses 0.20, and clears 21 of the 51 thresholds (0.30 ... 0.50).
    annotated = np.array([[0.0, 0, 10, 10]])
    score = score_one_pass(annotated + 3.0 * np.array([[1, 0, 1, 0]]), annotated)
    assert score.normalised_precision_at_020 == 0
    assert score.normalised_precision_auc == approx(21 / 51)
    assert score.precision_at_20px == 1


@pytest.mark.parametrize('seed', range(3))
def test_curves_equal_a_slow_twin(seed):
    predicted, annotated = random_tracks(seed)
    score = score_one_pass(predicted, annotated)
    overlaps = [float(iou(p, a)) for p, a in zip(predicted, annotated, strict=True)]
    errors = [float(centre_errors(p, a)) for p, a in zip(predicted, annotated, strict=True)]
    success = [sum(o > t for o in overlaps) / len(overlaps) for t in SUCCESS_THRESHOLDS]
    precision = [sum(e <= t for e in errors) / len(errors) for t in PRECISION_THRESHOLDS_PX]
    np.testing.assert_allclose(score.success, success, rtol=0, atol=1e-12)
    np.testing.assert_allclose(score.precision, precision, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ('change', 'same'),
    [
        (lambda p, a: (p + 37.5, a + 37.5), ('success', 'precision', 'normalised_precision')),
        (lambda p, a: (p * 2.0, a * 2.0), ('success', 'normalised_precision')),
        (lambda p, a: (p[::-1], a[::-1]), ('success', 'precision', 'normalised_precision')),
        (
            lambda p, a: (np.tile(p, (3, 1)), np.tile(a, (3, 1))),
            ('success', 'precision', 'normalised_precision'),
        ),
        (
            lambda p, a: (p[:, [1, 0, 3, 2]], a[:, [1, 0, 3, 2]]),
            ('success', 'precision', 'normalised_precision'),
        ),
    ],
    ids=['shift', 'scale', 'reversed time', 'repeated', 'transposed'],
)
def test_invariances(change, same):
    predicted, annotated = random_tracks(7)
    before, after = (
        score_one_pass(predicted, annotated),
        score_one_pass(*change(predicted, annotated)),
    )
    for name in same:
        np.testing.assert_allclose(getattr(after, name), getattr(before, name), atol=1e-9)


def test_curves_fall_and_rise():
    score = score_one_pass(*random_tracks(1))
    assert (np.diff(score.success) <= 0).all()
    assert (np.diff(score.precision) >= 0).all() and (
        np.diff(score.normalised_precision) >= 0
    ).all()


def test_perfect_track():
    _, annotated = random_tracks(2)
    score = score_one_pass(annotated, annotated)
    assert score.auc == approx(20 / 21)  # no overlap exceeds 1
    assert score.precision.min() == 1 and score.normalised_precision_auc == approx(1)


@pytest.mark.parametrize(
    ('convention', 'auc', 'precision'),
    [('got10k', 20 / 21, 1.0), ('pysot', 10 / 21, 0.5), ('otb_matlab', 10 / 21, 1.0)],
)
def test_absent_frames(convention, auc, precision):
    present = np.array([10.0, 10, 30, 30])
    annotated = np.stack([present, ABSENT])
    score = score_one_pass(np.stack([present, present]), annotated, convention)
    assert score.auc == approx(auc)
    assert score.precision_at_20px == precision


def test_invalid_predictions_miss_or_repeat():
    box = np.array([10.0, 10, 30, 30])
    annotated = np.tile(box, (4, 1))
    predicted = np.stack([box, ABSENT, [10, 10, 10, 30], box])
    assert score_one_pass(predicted, annotated, 'got10k').precision_at_20px == 0.5
    assert score_one_pass(predicted, annotated, 'otb_matlab').precision_at_20px == 1


def test_input_stays_as_it_was():
    predicted, annotated = random_tracks(3)
    copies = predicted.copy(), annotated.copy()
    score_one_pass(predicted, annotated, 'otb_matlab')
    np.testing.assert_array_equal(predicted, copies[0])
    np.testing.assert_array_equal(annotated, copies[1])


def test_lengths_must_agree():
    with pytest.raises(ValueError, match='same T'):
        score_one_pass(np.zeros((3, 4)), np.zeros((2, 4)))


def test_mean_weighs_sequences_not_frames():
    _, annotated = random_tracks(4)
    good, bad = (
        score_one_pass(annotated, annotated),
        score_one_pass(annotated[:5] + 1000, annotated[:5]),
    )
    assert mean_score([good, bad]).auc == approx(good.auc / 2)
    with pytest.raises(ValueError, match='no sequence'):
        mean_score([])


def zero_based(boxes_xywh: np.ndarray) -> np.ndarray:
    boxes = np.array(boxes_xywh, np.float64)
    boxes[:, :2] -= 1
    return xywh_to_xyxy(boxes)


def assert_toolkit_curves(data, sequence: str, tracker: str):
    score = score_one_pass(
        zero_based(data[f'res/{tracker}/{sequence}']),
        zero_based(data[f'gt/{sequence}']),
        'otb_matlab',
    )
    np.testing.assert_array_equal(score.success, data[f'success/{tracker}/{sequence}'])
    np.testing.assert_array_equal(score.precision, data[f'precision/{tracker}/{sequence}'])
    return score


@pytest.mark.parametrize('tracker', ['Staple', 'KCF'])
@pytest.mark.parametrize('sequence', ['Biker', 'Couple', 'Deer', 'Freeman4'])
def test_otb_toolkit_curves_bit_for_bit(sequence, tracker):
    assert_toolkit_curves(np.load(GOLDEN / 'otb' / 'otb_toolkit_extract.npz'), sequence, tracker)


@pytest.mark.process
@pytest.mark.shared_data
def test_otb_toolkit_all_curves(shared_dir):
    data = np.load(shared_dir / 'golden' / 'otb' / 'otb100_toolkit.npz')
    published = {
        'Staple': (0.5813, 0.7840),
        'SRDCF': (0.5980, 0.7895),
        'DSST': (0.5128, 0.6797),
        'KCF': (0.4771, 0.6956),
    }
    for tracker, numbers in published.items():
        mean = mean_score(
            [assert_toolkit_curves(data, str(sequence), tracker) for sequence in data['sequences']]
        )
        assert (mean.auc, mean.precision_at_20px) == approx(numbers, abs=1e-4)


def test_mmtracking_numbers():
    scores = []
    for video in (1, 2):
        annotated = xywh_to_xyxy(
            np.loadtxt(GOLDEN / 'vot' / f'mmtracking_video-{video}_gt_for_eval.txt', delimiter=',')
        )
        predicted = np.loadtxt(
            GOLDEN / 'vot' / f'mmtracking_video-{video}_track_results.txt', delimiter=','
        )
        scores.append(score_one_pass(predicted, annotated, 'pysot'))
    mean = mean_score(scores)
    assert 100 * mean.auc == approx(67.5238, abs=1e-4)
    assert 100 * mean.normalised_precision_at_020 == approx(70)
    assert 100 * mean.precision_at_20px == approx(50)


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ('tracker', 'auc', 'precision'), [('udt', 0.481, 0.627), ('dcfnet', 0.556, 0.733)]
)
def test_real_boxes_of_correlation_trackers(shared_dir, tracker, auc, precision):
    from usot_plugin.datasets.benchmarks import SequenceFolderDataset

    golden = json.loads((shared_dir / 'golden' / 'udt' / f'scores_{tracker}.json').read_text())
    scores, still = [], []
    for sequence in SequenceFolderDataset(shared_dir / 'data' / 'eval'):
        boxes = np.loadtxt(
            shared_dir / 'golden' / 'udt' / f'boxes_{tracker}' / f'{sequence.name}.txt',
            delimiter=',',
        )
        scores.append(
            score_one_pass(xywh_to_xyxy(boxes), sequence.boxes_xyxy, CONVENTIONS['got10k'])
        )
        still.append(
            score_one_pass(np.tile(sequence.boxes_xyxy[0], (len(sequence), 1)), sequence.boxes_xyxy)
        )
        assert scores[-1].auc == approx(golden[sequence.name]['auc'], abs=1e-4)
        assert scores[-1].precision_at_20px == approx(golden[sequence.name]['prec20'], abs=1e-4)
        assert still[-1].auc == approx(golden[sequence.name]['standstill_auc'], abs=1e-4)
    assert (mean_score(scores).auc, mean_score(scores).precision_at_20px) == approx(
        (auc, precision), abs=6e-4
    )
    assert mean_score(still).auc == approx(0.123, abs=5e-4)


def test_lasot_removes_absent_frames_but_divides_by_all():
    box, nan = [10.0, 10, 30, 30], [np.nan] * 4
    # Start (annotation itself), hit, absent (predicted anyway), annotated left of the image's first
    # pixel.
    annotated = np.array([box, box, nan, [-3.0, 10, 17, 30]])
    predicted = np.array([[50.0, 50, 60, 60], box, box, [200.0, 200, 220, 220]])
    score = score_one_pass(predicted, annotated, 'lasot')
    # Success: frames 0 and 1 of 4 clear every threshold but 1. Precision: frames 0, 1 and the odd
    # one (error -1) of 4.
    assert score.auc == pytest.approx(2 / 4 * 20 / 21)
    assert score.precision_at_20px == pytest.approx(
        3 / 4
    ) and score.normalised_precision_at_020 == pytest.approx(3 / 4)


def test_lasot_repeats_the_box_before_an_invalid_one():
    annotated = np.repeat([[10.0, 10, 30, 30]], 3, 0)
    predicted = np.array([[10.0, 10, 30, 30], [10.0, 10, 30, 30], [np.nan] * 4])
    assert score_one_pass(predicted, annotated, 'lasot').precision_at_20px == 1
    assert score_one_pass(predicted, annotated, 'pysot').precision_at_20px == pytest.approx(2 / 3)
