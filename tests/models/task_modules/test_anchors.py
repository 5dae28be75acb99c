"""Anchors against slow loops and the numbers of the releases."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from usot_plugin.models.task_modules.anchors import (
    AnchorGrid,
    anchor_targets,
    assign_anchors,
    choose_anchors,
    decode_boxes,
    encode_boxes,
)
from usot_plugin.structures.boxes import cxcywh_to_xyxy, xyxy_to_cxcywh
from usot_plugin.tracking.siamese_geometry import hann_window, scale_ratio_penalty

GRID = AnchorGrid()


def anchors(dtype=torch.float64) -> torch.Tensor:
    return GRID.boxes(25, 255, torch.zeros(1, dtype=dtype))


def test_sizes_are_those_of_the_releases():
    assert GRID.sizes_wh() == [(104, 32), (88, 40), (64, 64), (40, 80), (32, 96)]
    assert GRID.count == 5


def test_the_middle_anchor_is_the_middle_of_the_crop():
    boxes = anchors()
    assert boxes.shape == (5, 25, 25, 4)
    assert boxes[2, 12, 12].tolist() == [127.5, 127.5, 64, 64]
    assert boxes[0, 3, 20].tolist() == [127.5 + 8 * 8, 127.5 - 9 * 8, 104, 32]


def test_anchors_without_area_are_refused():
    with pytest.raises(ValueError, match='positive'):
        AnchorGrid(ratios=(200,))


def slow_iou(a, b) -> float:
    w = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    h = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - w * h
    return w * h / union


def test_assignment_and_targets_equal_a_slow_loop():
    target = [100.0, 90.0, 170.0, 150.0]
    labels = assign_anchors(torch.tensor([target], dtype=torch.float64), anchors())
    codes = anchor_targets(torch.tensor([target], dtype=torch.float64), anchors())
    counts = {1: 0, 0: 0, -1: 0}
    for k, (w, h) in enumerate(GRID.sizes_wh()):
        for row in range(25):
            for column in range(25):
                x, y = 127.5 + 8 * (column - 12), 127.5 + 8 * (row - 12)
                overlap = slow_iou(target, (x - w / 2, y - h / 2, x + w / 2, y + h / 2))
                expected = 1 if overlap > 0.6 else 0 if overlap < 0.3 else -1
                assert labels[0, k, row, column] == expected
                counts[expected] += 1
                wanted = [(135 - x) / w, (120 - y) / h, math.log(70 / w), math.log(60 / h)]
                assert codes[0, :, k, row, column].tolist() == pytest.approx(wanted)
    assert min(counts.values()) > 0


def test_an_absent_target_makes_every_anchor_negative():
    labels = assign_anchors(torch.full((1, 4), math.nan), anchors(torch.float32))
    assert (labels == 0).all()


def test_a_sliver_has_no_positive_anchor():
    labels = assign_anchors(torch.tensor([[100.0, 100, 240, 104]]), anchors(torch.float32))
    assert not (labels == 1).any()


def test_decoding_is_the_inverse_and_never_overflows():
    boxes = torch.tensor([[120.0, 100, 30, 90]]).expand(5, 25, 25, 4)
    torch.testing.assert_close(
        decode_boxes(encode_boxes(boxes, anchors(torch.float32)), anchors(torch.float32)), boxes
    )
    assert decode_boxes(torch.full((5, 25, 25, 4), 1e4), anchors(torch.float32)).isfinite().all()


def test_choice_equals_the_numpy_penalty_and_window():
    rng = np.random.default_rng(3)
    scores = torch.tensor(rng.random((2, 5, 25, 25)))
    sizes = rng.uniform(20, 120, (2, 5, 25, 25, 2))
    boxes = torch.cat([anchors()[..., :2].expand(2, -1, -1, -1, -1), torch.tensor(sizes)], -1)
    target_wh = np.array([[50.0, 70], [30, 30]])
    choice = choose_anchors(scores, boxes, torch.tensor(target_wh), 0.09, 0.39)
    for b in range(2):
        blended, penalties = [], []
        for k in range(5):
            penalties.append(
                scale_ratio_penalty(
                    sizes[b : b + 1, k].transpose(0, 3, 1, 2), target_wh[b : b + 1], 0.09
                )[0]
            )
            blended.append(penalties[-1] * scores[b, k].numpy() * 0.61 + hann_window(25) * 0.39)
        k, row, column = np.unravel_index(np.argmax(blended), (5, 25, 25))
        assert (choice.rows[b], choice.columns[b]) == (row, column)
        assert choice.boxes_cxcywh[b].tolist() == boxes[b, k, row, column].tolist()
        assert choice.penalties[b].item() == pytest.approx(penalties[k][row, column])
        assert choice.scores[b] == scores[b, k, row, column]


def test_cells_without_a_number_are_never_chosen():
    scores = torch.full((2, 5, 25, 25), math.nan)
    scores[0, 3, 4, 5] = 0.2
    choice = choose_anchors(
        scores,
        anchors(torch.float32).expand(2, -1, -1, -1, -1),
        torch.full((2, 2), 64.0),
        0.09,
        0.39,
    )
    assert choice.usable.tolist() == [True, False]
    assert (choice.rows[0], choice.columns[0]) == (4, 5)


def test_box_conversions_of_anchors_round_trip():
    torch.testing.assert_close(xyxy_to_cxcywh(cxcywh_to_xyxy(anchors())), anchors())
