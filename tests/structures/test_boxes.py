"""Box conversions and overlaps, for NumPy arrays and tensors alike."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from usot_plugin.structures import boxes as B

RNG = np.random.default_rng(0)
XYXY = np.sort(RNG.random((50, 2, 2)) * 100, axis=1).reshape(50, 4)
KINDS = pytest.mark.parametrize('kind', [np.asarray, torch.as_tensor], ids=['numpy', 'torch'])


@KINDS
def test_round_trips(kind):
    boxes = kind(XYXY)
    assert np.allclose(B.xywh_to_xyxy(B.xyxy_to_xywh(boxes)), XYXY)
    assert np.allclose(B.cxcywh_to_xyxy(B.xyxy_to_cxcywh(boxes)), XYXY)
    assert type(B.xyxy_to_xywh(boxes)) is type(boxes)


@KINDS
def test_iou_of_known_pairs(kind):
    a = kind(np.array([[0.0, 0, 10, 10]]))
    b = kind(
        np.array([[0.0, 0, 10, 10], [5, 0, 15, 10], [10, 0, 20, 10], [2, 2, 4, 4], [3, 3, 3, 3]])
    )
    assert np.allclose(B.iou(a, b), [1, 50 / 150, 0, 4 / 100, 0])


def test_iou_equals_counting_pixels():
    grid = (np.arange(400) + 0.5) / 4  # four samples a pixel
    for a, b in zip(XYXY[:10], XYXY[10:20], strict=True):
        inside = [
            ((grid >= box[0]) & (grid < box[2]))[None]
            & ((grid >= box[1]) & (grid < box[3]))[:, None]
            for box in (a, b)
        ]
        union = (inside[0] | inside[1]).sum()
        assert B.iou(a, b) == pytest.approx((inside[0] & inside[1]).sum() / union, abs=0.02)


def test_iou_is_symmetric_and_does_not_change_with_shift_and_scale():
    a, b = XYXY[:25], XYXY[25:]
    expected = B.iou(a, b)
    assert np.allclose(B.iou(b, a), expected)
    assert np.allclose(B.iou(a * 3 + 7, b * 3 + 7), expected)


def test_iou_of_an_absent_target_is_nan_and_two_empty_boxes_have_none():
    assert np.isnan(B.iou(np.full(4, np.nan), XYXY[0]))
    assert B.iou(np.zeros(4), np.zeros(4)) == 0


@KINDS
def test_centre_penalty(kind):
    a, b = kind(np.array([0.0, 0, 2, 2])), kind(np.array([4.0, 0, 6, 2]))
    assert float(B.centre_penalty(a, b)) == pytest.approx(16 / (36 + 4))
    assert float(B.centre_penalty(a, a)) == 0


def test_gradient_flows_through_iou():
    a = torch.tensor([0.0, 0, 10, 10], dtype=torch.float64, requires_grad=True)
    b = torch.tensor([3.0, 2, 12, 9], dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: B.iou(x, b), (a,))


@KINDS
def test_clip_and_scale(kind):
    box = kind(np.array([-5.0, 10, 30, 50]))
    assert np.allclose(B.clip_boxes(box, 20, 40), [0, 10, 20, 40])
    assert np.allclose(B.scale_boxes(box, 2, 0.5), [-10, 5, 60, 25])


def test_validity():
    assert (
        B.is_valid(
            np.array([[0, 0, 1, 1], [0, 0, 0, 1], [1, 0, 0, 1], [0, 0, np.inf, 1], [np.nan] * 4])
        ).tolist()
        == [True] + [False] * 4
    )
