"""Recorded detections as they are written by others, and a detector of mmdet."""

from __future__ import annotations

import numpy as np
import pytest

from usot_plugin.models.multi_object import DetectionError, HostDetector, RecordedDetections

FRAME = np.zeros((64, 96, 3), np.uint8)


def test_a_motchallenge_file_is_read(tmp_path):
    file = tmp_path / 'det.txt'
    file.write_text('1,-1,11,21,30,40,0.9,-1,-1,-1\n3,-1,1,1,5,5,0.2\n\n3,-1,2.5,1,5,5,0.8,2\n')
    source = RecordedDetections(file)
    first, empty, third = (source.detect(index, FRAME) for index in range(3))
    assert first.boxes_xyxy.tolist() == [[10, 20, 40, 60]] and first.scores.tolist() == [0.9] and first.labels.tolist() == [0]
    assert len(empty) == 0
    assert third.boxes_xyxy.tolist() == [[0, 0, 5, 5], [1.5, 0, 6.5, 5]] and third.labels.tolist() == [0, 2]
    assert RecordedDetections(file, min_score=0.5).detect(2, FRAME).scores.tolist() == [0.8]
    assert RecordedDetections(file, origin=0).detect(0, FRAME).boxes_xyxy[0, 0] == 11


def test_an_empty_file_holds_no_detection(tmp_path):
    file = tmp_path / 'det.txt'
    file.write_text('')
    assert len(RecordedDetections(file).detect(0, FRAME)) == 0


@pytest.mark.parametrize(
    ('text', 'cause'),
    [
        ('1,-1,11,21,30,40,0.9\n1,-1,x,1,1,1,1\n', 'line 2: not a number'),
        ('1,-1,11,21\n', 'line 1: expected frame'),
        ('0,-1,1,1,1,1,1\n', r'line 1: expected frame \(from 1\)'),
        ('1,-1,nan,1,1,1,1\n', 'line 1: expected frame'),
    ],
)
def test_what_is_wrong_is_named_with_its_line(tmp_path, text, cause):
    file = tmp_path / 'det.txt'
    file.write_text(text)
    with pytest.raises(DetectionError, match=f'det.txt, {cause}'):
        RecordedDetections(file)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DetectionError, match='nowhere.txt: cannot be read'):
        RecordedDetections(tmp_path / 'nowhere.txt')


@pytest.mark.full_host
def test_a_detector_of_mmdet_gives_boxes_of_the_frame():
    detector = HostDetector('mmdet::yolox/yolox_tiny_8xb8-300e_coco.py', min_score=0.0, labels=list(range(40)))
    frame = np.random.default_rng(0).integers(0, 255, (64, 96, 3), np.uint8)
    found = detector.detect(0, frame)  # random weights: any boxes, but in the frame's own pixels
    assert found.labels.size == 0 or found.labels.max() < 40
    assert len(HostDetector('mmdet::yolox/yolox_tiny_8xb8-300e_coco.py', min_score=1.1).detect(0, frame)) == 0
