"""Recorded detections as they are written by others, and a detector of mmdet."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from usot_plugin.tracking.multi_object import DetectionError, HostDetector, RecordedDetections
from usot_plugin.tracking.multi_object.detection_sources import load_detector_weights
from usot_plugin.utils.checkpoint import CheckpointError

FRAME = np.zeros((64, 96, 3), np.uint8)


def test_a_motchallenge_file_is_read(tmp_path):
    file = tmp_path / 'det.txt'
    file.write_text('1,-1,11,21,30,40,0.9,-1,-1,-1\n3,-1,1,1,5,5,0.2\n\n3,-1,2.5,1,5,5,0.8,2\n')
    source = RecordedDetections(file)
    first, empty, third = (source.detect(index, FRAME) for index in range(3))
    assert (
        first.boxes_xyxy.tolist() == [[10, 20, 40, 60]]
        and first.scores.tolist() == [0.9]
        and first.labels.tolist() == [0]
    )
    assert len(empty) == 0
    assert third.boxes_xyxy.tolist() == [
        [0, 0, 5, 5],
        [1.5, 0, 6.5, 5],
    ] and third.labels.tolist() == [0, 2]
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


def small_detector() -> nn.Module:
    """Stands for a detector: weights and a counter, by the names that detectors have."""
    return nn.ModuleDict(
        dict(
            backbone=nn.Sequential(nn.Conv2d(3, 2, 1), nn.BatchNorm2d(2)), bbox_head=nn.Linear(2, 1)
        )
    )


@pytest.mark.parametrize('prefix', ['', 'detector.', 'module.detector.'])
@pytest.mark.parametrize(
    'others', [{}, {'reid.fc.weight': torch.ones(1)}], ids=['alone', 'with another network']
)
def test_weights_of_a_detector_are_found_in_those_of_a_whole_tracker(tmp_path, prefix, others):
    source, target = small_detector(), small_detector()
    file = tmp_path / 'bytetrack.pth'
    torch.save(
        {
            'state_dict': {prefix + key: value for key, value in source.state_dict().items()}
            | (others if prefix else {})
        },
        file,
    )
    load_detector_weights(target, file)
    assert all(
        torch.equal(value, source.state_dict()[key]) for key, value in target.state_dict().items()
    )


def test_a_part_of_a_detector_may_be_called_detector(tmp_path):
    source, target = (
        nn.ModuleDict(dict(detector=small_detector(), neck=nn.Linear(1, 1))) for _ in range(2)
    )
    file = tmp_path / 'cascade.pth'
    torch.save(source.state_dict(), file)
    load_detector_weights(target, file)
    assert torch.equal(
        target['detector']['bbox_head'].weight, source['detector']['bbox_head'].weight
    )


def test_weights_of_another_detector_are_refused(tmp_path):
    file, target = tmp_path / 'other.pth', small_detector()
    before = target['bbox_head'].weight.clone()
    torch.save(
        {
            'detector.bbox_head.weight': torch.zeros(1, 2),
            'detector.mask_head.weight': torch.zeros(1),
        },
        file,
    )
    with pytest.raises(
        CheckpointError,
        match=r'other.pth: does not fit ModuleDict: 8 of 9 .*1 are unknown to it '
        r'\(mask_head.weight\)',
    ):
        load_detector_weights(target, file)
    assert torch.equal(target['bbox_head'].weight, before)


#: mmdet's YOLOX with an input of 416 px, in which a frame of 96x64 px is enlarged by 416 / 96.
TINY = 'mmdet::yolox/yolox_tiny_8xb8-300e_coco.py'
STRIDES = (8, 16, 32)
SURE = 9.0


def maps_of_one_box(label: int, row: int, column: int, side_cells: float):
    """Class, box and object maps of YOLOX's head that sees one square box, its centre on a cell's
    corner of the middle level."""

    def maps(channels: int, fill: float) -> list[torch.Tensor]:
        return [torch.full((1, channels, 416 // stride, 416 // stride), fill) for stride in STRIDES]

    classes, boxes, objects = maps(80, -SURE), maps(4, 0.0), maps(1, -SURE)
    classes[1][0, label, row, column] = objects[1][0, 0, row, column] = SURE
    boxes[1][0, 2:, row, column] = float(np.log(side_cells))
    return classes, boxes, objects


@pytest.mark.full_host
def test_a_detector_of_mmdet_gives_boxes_in_pixels_of_the_frame():
    frame = np.random.default_rng(0).integers(0, 255, (64, 96, 3), np.uint8)
    detector = HostDetector(TINY, labels=[3])
    detector._detector.bbox_head.forward = lambda features: maps_of_one_box(
        label=3, row=5, column=10, side_cells=4
    )
    found = detector.detect(0, frame)
    in_crop = 16 * np.array([10 - 2, 5 - 2, 10 + 2, 5 + 2])
    assert found.labels.tolist() == [3] and found.scores[0] > 0.99
    np.testing.assert_allclose(
        found.boxes_xyxy, [in_crop * 96 / 416], atol=0.05
    )  # mmdet rounds the enlarged height to whole pixels
    detector.labels = [2]
    assert len(detector.detect(0, frame)) == 0
    detector.labels, detector.min_score = None, 1.1
    assert len(detector.detect(0, frame)) == 0
