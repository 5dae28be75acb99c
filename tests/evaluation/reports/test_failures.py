"""Failures are found by hand-made overlaps, and their pictures show the boxes."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from usot_plugin.datasets.benchmarks import AnnotatedSequence
from usot_plugin.evaluation.reports.failures import TILE_PX, Failure, failure_strip, longest_failure
from usot_plugin.structures.clip import ArrayClip
from usot_plugin.testing.media import moving_square_frames


@pytest.fixture
def sequence() -> AnnotatedSequence:
    frames, boxes = moving_square_frames(12)
    return AnnotatedSequence('square', ArrayClip(frames), boxes)


def test_the_longest_run_of_misses(sequence):
    predicted = sequence.boxes_xyxy.copy()
    assert longest_failure('T', sequence, predicted) is None
    predicted[2:4] += 500
    predicted[6:9] = np.nan
    assert longest_failure('T', sequence, predicted) == Failure('T', 'square', 6, 9, 3, 12)
    predicted[10:] += 500
    assert longest_failure('T', sequence, predicted) == Failure(
        'T', 'square', 6, 9, 3, 12
    )  # an earlier one of equal or greater length


def test_frames_without_target_neither_end_nor_lengthen_a_failure(sequence):
    boxes = sequence.boxes_xyxy.copy()
    boxes[5:8] = np.nan
    predicted = sequence.boxes_xyxy.copy()
    predicted[4:9] += 500
    failure = longest_failure('T', AnnotatedSequence('square', sequence.clip, boxes), predicted)
    assert failure == Failure('T', 'square', 4, 9, 2, 9)


def test_the_picture_shows_prediction_and_annotation(sequence):
    predicted = sequence.boxes_xyxy + [30.0, 0, 30, 0]
    failure = longest_failure('T', sequence, predicted)
    assert failure is not None
    strip = cv2.imdecode(
        np.frombuffer(
            failure_strip(sequence, failure, {'T': predicted}, {'T': '#ff0000'}, tiles=4), np.uint8
        ),
        1,
    )
    assert strip.shape[0] == TILE_PX and strip.shape[1] > 4 * TILE_PX
    for tile in range(4):
        part = strip[:, tile * (TILE_PX + 6) :][:, :TILE_PX].astype(int)
        assert ((part[..., 2] > 180) & (part[..., 0] < 90)).sum() > 100  # red in BGR: the tracker
        assert (part.min(-1) > 225).sum() > 100  # white: the annotation
    nothing = np.full_like(predicted, np.nan)
    assert failure_strip(
        sequence, Failure('T', 'square', 0, 12, 12, 12), {'T': nothing}, {'T': '#ff0000'}
    )
