"""The tracker of SiamRPN and SiamMask: batches, immutable states, masks in the frame, and frames
that say nothing."""

from __future__ import annotations

import copy

import cv2
import numpy as np
import pytest
import torch

from tests.models.siamrpn_parts import REFINED, build
from usot_plugin.structures.boxes import iou
from usot_plugin.structures.regions import BoxRegion, MaskRegion, PolygonRegion
from usot_plugin.tracking import build_tracker
from usot_plugin.tracking.siamrpn.tracker import SiamRPNTracker, rotated_box

RAW = dict(data_preprocessor=dict(type='SOTDataPreprocessor', mean=[128.0] * 3, std=[60.0] * 3))


def frames(count: int = 3) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    base = cv2.resize(
        rng.integers(0, 255, (24, 32, 3), np.uint8), (320, 240), interpolation=cv2.INTER_CUBIC
    )
    return [np.roll(base, 3 * i, 1) for i in range(count)]


def calm(model):
    """Batch norm that has seen data, so that scores are not all 0 or 1."""
    model.train()
    with torch.no_grad():
        for _ in range(10):
            model.raw_maps(
                {'template': torch.randn(2, 3, 127, 127), 'search': torch.randn(2, 3, 255, 255)}, []
            )
    return model


BOXES = np.array([[60.0, 50, 120, 110], [200, 90, 260, 190], [-10, 180, 60, 250]])


def test_a_batch_of_targets_tracks_as_each_alone():
    tracker = SiamRPNTracker(calm(build(**RAW)))
    first, second, third = frames()
    state = tracker.init(first, BOXES)
    _, state = tracker.update(second, state)
    together, _ = tracker.update(third, state)
    for target in range(3):
        alone = tracker.init(first, BOXES[target])
        _, alone = tracker.update(second, alone)
        prediction, _ = tracker.update(third, alone)
        np.testing.assert_allclose(prediction.boxes_xyxy[0], together.boxes_xyxy[target], atol=0.05)
        assert prediction.scores[0] == pytest.approx(together.scores[target], abs=1e-3)
    assert together.regions is None


def test_a_state_stays_usable():
    tracker = SiamRPNTracker(calm(build(**RAW)))
    first, second, _ = frames()
    state = tracker.init([first, second, first], BOXES)
    kept = copy.deepcopy(state)
    a, _ = tracker.update(second, state)
    b, _ = tracker.update(second, state)
    np.testing.assert_array_equal(a.boxes_xyxy, b.boxes_xyxy)
    for before, after in zip(kept, state, strict=True):
        np.testing.assert_array_equal(before.box_cxcywh, after.box_cxcywh)
        assert torch.equal(before.template.rpn[0][0], after.template.rpn[0][0])


class Pointing:
    """Network outputs that point at one anchor: all the arithmetic around them is the tracker's."""

    def __init__(
        self,
        tracker: SiamRPNTracker,
        anchor: int,
        row: int,
        column: int,
        mask: np.ndarray | None = None,
    ) -> None:
        def predict(template, search):
            logits = torch.zeros(1, 2, 5, 25, 25)
            logits[:, 0] = 20
            logits[:, 1, anchor, row, column] = 60
            return logits, torch.zeros(1, 4, 5, 25, 25)

        tracker.model.predict = predict
        if mask is not None:
            tracker.model.masks = lambda *rest: [torch.from_numpy(20.0 * (2.0 * mask[None] - 1))]


def test_the_chosen_anchor_becomes_the_box():
    tracker = SiamRPNTracker(build(**RAW), penalty_k=0.0, window_influence=0.0, size_lr=1.0)
    Pointing(tracker, anchor=2, row=12, column=15)
    frame = frames(1)[0]
    box = np.array(
        [120.0, 80, 184, 144]
    )  # 64 px: the template crop shows 128 px of the frame in 127
    prediction, _ = tracker.update(frame, tracker.init(frame, box))
    expected = np.array([120 + 24, 80, 184 + 24, 144])
    np.testing.assert_allclose(prediction.boxes_xyxy[0], expected, atol=1.5)
    assert prediction.scores[0] == pytest.approx(1)


def test_a_mask_lands_on_its_cell():
    y, x = np.mgrid[:127, :127]
    disc = np.hypot(x - 63, y - 63) < 30
    tracker = SiamRPNTracker(
        build(**RAW, **REFINED), penalty_k=0, window_influence=0, region='mask'
    )
    Pointing(tracker, 2, row=9, column=15, mask=disc)
    frame = frames(1)[0]
    prediction, _ = tracker.update(frame, tracker.init(frame, np.array([120.0, 80, 184, 144])))
    region = prediction.region(0)
    assert isinstance(region, MaskRegion)
    assert (
        iou(
            region.box_xyxy,
            np.array([152 + 24 - 30, 112 - 24 - 30, 152 + 24 + 30, 112 - 24 + 30.0]),
        )
        > 0.93
    )
    assert region.to_mask(320, 240).sum() == pytest.approx(np.pi * 30**2, rel=0.06)


def test_a_mask_at_the_border_is_cut_there():
    tracker = SiamRPNTracker(
        build(**RAW, **REFINED), penalty_k=0, window_influence=0, region='mask'
    )
    Pointing(tracker, 2, row=12, column=12, mask=np.ones((127, 127), bool))
    frame = frames(1)[0]
    prediction, _ = tracker.update(frame, tracker.init(frame, np.array([-20.0, 180, 44, 244])))
    region = prediction.region(0)
    assert region.left == 0 and region.top + region.mask.shape[0] == 240
    assert region.mask[2:-2, 2:-2].all()


def test_an_empty_mask_is_no_region_and_a_box_for_vot():
    frame, box = frames(1)[0], np.array([120.0, 80, 184, 144])
    for region, kind in (('mask', type(None)), ('rotated_box', BoxRegion)):
        tracker = SiamRPNTracker(build(**RAW, **REFINED), region=region)
        Pointing(tracker, 2, 12, 12, mask=np.zeros((127, 127), bool))
        prediction, _ = tracker.update(frame, tracker.init(frame, box))
        assert isinstance(prediction.region(0), kind)
        if kind is BoxRegion:
            np.testing.assert_allclose(prediction.region(0).box_xyxy, prediction.boxes_xyxy[0])


@pytest.mark.parametrize('angle_deg', [0, 25, 60])
def test_the_rotated_box_of_a_rotated_rectangle(angle_deg):
    angle = np.deg2rad(angle_deg)
    y, x = np.mgrid[:200, :200] + 0.5 - 100
    along, across = x * np.cos(angle) + y * np.sin(angle), -x * np.sin(angle) + y * np.cos(angle)
    mask = (abs(along) < 40) & (abs(across) < 15)
    mask[5:9, 5:9] = True  # crumbs elsewhere do not count
    region = rotated_box(MaskRegion(mask, left=7, top=-3))
    assert isinstance(region, PolygonRegion)
    sides = sorted(np.linalg.norm(region.points_xy[i] - region.points_xy[i - 1]) for i in range(2))
    assert sides == pytest.approx([30, 80], abs=2.5)
    np.testing.assert_allclose(region.points_xy.mean(0), [107, 97], atol=1)


def test_a_mask_of_a_few_pixels_has_no_rotated_box():
    assert rotated_box(MaskRegion(np.ones((3, 3), bool))) is None
    assert rotated_box(MaskRegion(np.zeros((9, 9), bool))) is None
    assert rotated_box(MaskRegion(np.zeros((0, 0), bool))) is None


def test_a_network_without_numbers_leaves_the_target_and_calls_it_lost():
    tracker = SiamRPNTracker(build(**RAW), lost_frames=2)
    tracker.model.predict = lambda template, search: (
        torch.full((1, 2, 5, 25, 25), torch.nan),
        torch.zeros(1, 4, 5, 25, 25),
    )
    frame, box = frames(1)[0], np.array([120.0, 80, 184, 144])
    state = tracker.init(frame, box)
    for expected in (False, True):
        prediction, state = tracker.update(frame, state)
        np.testing.assert_allclose(prediction.boxes_xyxy[0], box)
        assert prediction.scores[0] == 0 and prediction.lost[0] == expected


def test_flat_scores_take_the_middle():
    tracker = SiamRPNTracker(build(**RAW))
    tracker.model.predict = lambda template, search: (
        torch.zeros(1, 2, 5, 25, 25),
        torch.zeros(1, 4, 5, 25, 25),
    )
    frame, box = frames(1)[0], np.array([120.0, 80, 184, 144])
    prediction, _ = tracker.update(frame, tracker.init(frame, box))
    assert iou(prediction.boxes_xyxy[0], box) > 0.9


def test_wrong_options_are_refused():
    with pytest.raises(ValueError, match="region is one of box, mask, rotated_box, got 'polygon'"):
        build_tracker(build(), dict(type='SiamRPNTracker', region='polygon'))
    with pytest.raises(ValueError, match='needs a model with a mask_head'):
        build_tracker(build(), dict(type='SiamRPNTracker', region='mask'))
