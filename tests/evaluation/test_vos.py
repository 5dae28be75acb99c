"""Video object segmentation: J and F against the official numbers and a slow twin, result images,
resume, and the metric."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from pytest import approx

from usot_plugin.datasets.benchmarks import AnnotatedSequence
from usot_plugin.evaluation import run_sequences
from usot_plugin.evaluation.functional.masks import contour_accuracy, region_similarity, statistics
from usot_plugin.evaluation.metrics import VOSMetric
from usot_plugin.evaluation.protocols import VOS
from usot_plugin.evaluation.protocols.vos import label_palette, paint
from usot_plugin.evaluation.results.result_files import ResultError
from usot_plugin.structures.clip import ArrayClip
from usot_plugin.structures.regions import MaskRegion
from usot_plugin.structures.trajectory import Prediction
from usot_plugin.testing.media import moving_square_frames
from usot_plugin.tracking import Oracle, StandStill
from usot_plugin.tracking.base import Tracker

GOLDEN = Path(__file__).parents[1] / 'golden' / 'davis' / 'official.npz'


@pytest.mark.parametrize('seed', [0, 1])
def test_numbers_of_the_official_evaluation(seed):
    with np.load(GOLDEN) as archive:
        golden = {
            key.removeprefix(f'{seed}/'): archive[key]
            for key in archive.files
            if key.startswith(f'{seed}/')
        }
    for name, measure in (('j', region_similarity), ('f', contour_accuracy)):
        values = measure(golden['predicted'], golden['annotated'])
        np.testing.assert_allclose(values, golden[name], atol=1e-9)
        summary = statistics(values)
        assert [summary.mean, summary.recall, summary.decay] == approx(
            golden[f'{name}_statistics'], abs=1e-9
        )


def slow_contour(mask):
    height, width = mask.shape
    found = set()
    for y in range(height):
        for x in range(width):
            others = [
                (min(y + dy, height - 1), min(x + dx, width - 1))
                for dy, dx in ((0, 1), (1, 0), (1, 1))
            ]
            if any(mask[y, x] != mask[other] for other in others):
                found.add((y, x))
    return found


def slow_f(predicted, annotated, radius):
    one, other = slow_contour(predicted), slow_contour(annotated)

    def near(points, targets):
        return sum(
            any((y - v) ** 2 + (x - u) ** 2 <= radius**2 for v, u in targets) for y, x in points
        ) / len(points)

    if not one or not other:
        return float(not one and not other)
    precision, recall = near(one, other), near(other, one)
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def test_contour_accuracy_has_a_slow_twin():
    random = np.random.default_rng(5)
    masks = np.zeros((2, 12, 24, 30), np.uint8)
    for mask in masks.reshape(-1, 24, 30)[2:]:
        cv2.circle(
            mask, tuple(map(int, random.integers(8, 20, 2))), int(random.integers(4, 9)), 1, -1
        )
    predicted, annotated = masks > 0
    # 0.05 of the diagonal of 38.4 px, rounded up
    expected = [slow_f(one, other, 2) for one, other in zip(predicted, annotated, strict=True)]
    np.testing.assert_allclose(contour_accuracy(predicted, annotated, tolerance=0.05), expected)
    assert 0 < np.median(expected) < 1


def test_closed_forms():
    empty, square = np.zeros((1, 40, 40), bool), np.zeros((1, 40, 40), bool)
    square[0, 10:20, 10:20] = True
    assert region_similarity(square, np.roll(square, 5, -1)) == approx(1 / 3)
    for one, other, value in (
        (empty, empty, 1),
        (square, empty, 0),
        (empty, square, 0),
        (square, square, 1),
    ):
        assert region_similarity(one, other) == value and contour_accuracy(one, other) == value
    assert contour_accuracy(square, np.roll(square, 1, -1)) == 1, (
        'one pixel is within the tolerance'
    )
    summary = statistics(np.array([1.0, 1, 0.5, np.nan, 0, 0]))
    assert (summary.mean, summary.recall, summary.decay) == (0.5, 0.4, 1.0)
    with pytest.raises(ValueError, match='no frame'):
        statistics(np.array([np.nan]))


def labelled(frames: int = 7) -> tuple[ArrayClip, np.ndarray]:
    """A moving square and a still disc, with labels 1 and 2, and some void pixels."""
    images, boxes = moving_square_frames(frames)
    labels = np.zeros(images.shape[:3], np.uint8)
    for index, (x1, y1, x2, y2) in enumerate(boxes.astype(int)):
        cv2.circle(labels[index], (75, 20), 8, 2, -1)
        labels[index, y1:y2, x1:x2] = 1
        labels[index, :2, -2:] = 255
    return ArrayClip(images), labels


class Labels:
    """Picklable reader of label images."""

    def __init__(self, labels, known=None):
        self.labels, self.known = labels, known

    def __call__(self, index):
        return self.labels[index] if self.known is None or index in self.known else None


def sequence_of(clip, labels, known=None) -> AnnotatedSequence:
    boxes = np.full((len(labels), 4), np.nan)
    boxes[0] = MaskRegion(labels[0] == 1).box_xyxy
    return AnnotatedSequence('pair', clip, boxes, load_labels=Labels(labels, known))


@pytest.fixture
def sequence() -> AnnotatedSequence:
    return sequence_of(*labelled())


class MaskOracle(Tracker):
    """Says the masks, shifted."""

    def __init__(self, labels, shift=0):
        self.labels, self.shift = labels, shift

    def init(self, frames, boxes_xyxy):
        return 0

    def update(self, frames, state):
        masks = [
            MaskRegion(np.roll(self.labels[state + 1], self.shift, 1) == label) for label in (1, 2)
        ]
        boxes = np.stack([mask.box_xyxy for mask in masks])
        return Prediction(boxes, np.ones(2), np.zeros(2, bool), masks), state + 1


def evaluated(tmp_path, tracker, sequence) -> tuple[VOSMetric, dict[str, float]]:
    folder = VOS().result_folder(tmp_path / 'T')
    run_sequences(tracker, VOS(), [sequence], folder)
    metric = VOSMetric(report_dir=tmp_path / 'report')
    metric.process(None, [folder.finished_sample(sequence)])
    return metric, metric.evaluate(1)


def test_a_tracker_of_masks_is_scored_by_them(tmp_path, sequence):
    labels = sequence.load_labels.labels
    _, scores = evaluated(tmp_path, MaskOracle(np.where(labels == 255, 0, labels)), sequence)
    assert (
        scores['vos/j_and_f'] == 100
        and scores['vos/j_recall'] == 100
        and scores['vos/f_decay'] == 0
    )


def test_a_tracker_of_boxes_is_scored_by_filled_boxes(tmp_path, sequence):
    metric, scores = evaluated(tmp_path, Oracle(), sequence)
    assert metric.report.sequences['pair_1']['j_mean'] == 100, 'a square is its box'
    disc = sequence.load_labels.labels[1] == 2
    assert metric.report.sequences['pair_2']['j_mean'] == approx(100 * disc.sum() / 17**2)
    assert scores['vos/j_mean'] == approx((100 + metric.report.sequences['pair_2']['j_mean']) / 2)
    assert {file.name for file in (tmp_path / 'report').iterdir()} == {'vos.json', 'vos.md'}


def test_first_and_last_frame_do_not_count(tmp_path):
    clip, labels = labelled()
    wrong = np.where(labels == 255, 0, labels)
    wrong[[0, -1]] = 0
    _, scores = evaluated(tmp_path, MaskOracle(wrong), sequence_of(clip, labels))
    assert scores['vos/j_and_f'] == 100


def test_images_are_those_of_davis(tmp_path, sequence):
    folder = VOS().result_folder(tmp_path)
    run_sequences(StandStill(), VOS(), [sequence], folder)
    assert sorted(path.name for path in (tmp_path / 'pair').iterdir()) == [
        f'{index:05d}.png' for index in range(7)
    ]
    with Image.open(tmp_path / 'pair' / '00003.png') as image:
        assert (
            image.mode == 'P' and image.size == (96, 72) and np.unique(image).tolist() == [0, 1, 2]
        )
        assert image.getpalette()[:9] == [0, 0, 0, 128, 0, 0, 0, 128, 0]
    track = folder.read('pair')
    np.testing.assert_array_equal(
        track.labels[0], np.where(sequence.load_labels(0) == 255, 0, sequence.load_labels(0))
    )
    assert track.seconds.shape == (7,)


def test_palette_is_the_usual_one():
    palette = label_palette()
    assert palette[[3, 7, 8, 255]].tolist() == [
        [128, 128, 0],
        [128, 128, 128],
        [64, 0, 0],
        [224, 224, 192],
    ]


def test_pixels_of_several_objects_go_to_the_surest():
    boxes = np.array([[0.0, 0, 10, 10], [5, 0, 15, 10], [np.nan] * 4])
    objects = np.array([1, 4, 7], np.uint8)
    labels = paint(Prediction(boxes, np.array([0.5, 0.9, 1]), np.zeros(3, bool)), objects, (10, 20))
    assert (labels[:, :5] == 1).all() and (labels[:, 5:15] == 4).all() and not labels[:, 15:].any()
    labels = paint(Prediction(boxes, np.ones(3), np.zeros(3, bool)), objects, (10, 20))
    assert (labels[:, :10] == 1).all() and (labels[:, 10:15] == 4).all()


def test_unfinished_results_are_made_again(tmp_path, sequence):
    folder = VOS().result_folder(tmp_path)
    assert '7 of 7 images are missing' in folder.unfinished_reason(sequence)
    run_sequences(StandStill(), VOS(), [sequence], folder)
    assert folder.unfinished_reason(sequence) is None
    (tmp_path / 'pair' / '00004.png').unlink()
    assert folder.unfinished_reason(sequence) == '1 of 7 images are missing, the first is 00004.png'
    seen = {}
    run_sequences(StandStill(), VOS(), [sequence], folder, on_done=seen.__setitem__)
    assert seen['pair'] and folder.unfinished_reason(sequence) is None
    Image.fromarray(np.zeros((72, 96), np.uint8)).save(tmp_path / 'pair' / '00000.png')
    assert 'other masks than the annotation' in folder.unfinished_reason(sequence)
    (tmp_path / 'pair' / '00000.png').write_bytes(b'no image')
    assert '00000.png: ' in folder.unfinished_reason(sequence)


def test_a_broken_result_is_named(tmp_path, sequence):
    folder = VOS().result_folder(tmp_path)
    run_sequences(StandStill(), VOS(), [sequence], folder)
    (tmp_path / 'pair' / '00003.png').write_bytes(
        (tmp_path / 'pair' / '00003.png').read_bytes()[:50]
    )
    with pytest.raises(ResultError, match='00003.png'):
        VOSMetric().process(None, [folder.finished_sample(sequence)])
    Image.fromarray(np.zeros((72, 96, 3), np.uint8)).save(tmp_path / 'pair' / '00003.png')
    with pytest.raises(ResultError, match='00003.png'):
        VOSMetric().process(None, [folder.sample(sequence)])


@pytest.mark.parametrize(
    ('image', 'message'),
    [
        (
            np.full((72, 96), 9, np.uint8),
            r'pair, frame 3: the result has labels \[9\], the sequence has objects \[1, 2\]',
        ),
        (np.zeros((36, 48), np.uint8), 'pair, frame 3: a result of shape'),
    ],
)
def test_results_that_do_not_fit_are_named(tmp_path, sequence, image, message):
    folder = VOS().result_folder(tmp_path)
    run_sequences(StandStill(), VOS(), [sequence], folder)
    Image.fromarray(image).save(tmp_path / 'pair' / '00003.png')
    with pytest.raises(ValueError, match=message):
        VOSMetric().process(None, [folder.sample(sequence)])


def test_sequences_without_masks_are_named(tmp_path):
    clip, labels = labelled()
    boxes = sequence_of(clip, labels).boxes_xyxy
    with pytest.raises(ValueError, match='bare: there is no mask of the first frame'):
        VOS().run(StandStill(), AnnotatedSequence('bare', clip, boxes))
    with pytest.raises(ValueError, match='bare: there is no object in the mask'):
        VOS().run(
            StandStill(), AnnotatedSequence('bare', clip, boxes, load_labels=Labels(labels * 0))
        )
    hidden = sequence_of(clip, labels, known=(0,))
    with pytest.raises(
        ValueError, match='pair: no frame between the first and the last is annotated'
    ):
        evaluated(tmp_path, StandStill(), hidden)
    with pytest.raises(ValueError, match='pair: masks of 48x36 and frames of 96x72 px'):
        VOS().run(
            StandStill(),
            AnnotatedSequence('pair', clip, boxes, load_labels=Labels(labels[:, ::2, ::2])),
        )
    with pytest.raises(ValueError, match='x: no result of the protocol VOS'):
        VOSMetric().process(None, [{'name': 'x'}])


def test_frames_without_annotation_are_left_out(tmp_path):
    clip, labels = labelled()
    _, scores = evaluated(
        tmp_path,
        MaskOracle(np.where(labels == 255, 0, labels)),
        sequence_of(clip, labels, known=(0, 2, 5)),
    )
    assert scores['vos/j_mean'] == 100
