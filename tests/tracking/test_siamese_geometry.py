"""Search windows and the penalty of a Siamese tracker."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.models.usot_parity import GOLDEN
from usot_plugin.structures.boxes import cxcywh_to_xyxy
from usot_plugin.structures.crops import rect_region
from usot_plugin.tracking.siamese_geometry import (
    SearchWindow,
    hann_window,
    scale_ratio_penalty,
    search_window,
)


@pytest.mark.parametrize('case', json.loads((GOLDEN / 'crops.json').read_text())['cases'])
def test_legacy_template_box_equals_the_release(case):
    region = rect_region(case['pos'], (case['original_sz'],) * 2)
    window = SearchWindow(region, case['model_sz'], 1.0, tuple(case['pos']), legacy=True)
    box = window.to_crop(cxcywh_to_xyxy(np.array([*case['pos'], *case['target_sz']])))
    assert np.allclose(box, case['template_bbox'], atol=1e-9)


def test_exact_mapping_goes_there_and_back():
    window = search_window(np.array([50.3, 40.7, 31.0, 22.0]), 0.5, 127, 255)
    boxes = np.array([[10.0, 20, 60, 70], [-5, 0, 300, 40]])
    assert np.allclose(window.to_frame(window.to_crop(boxes)), boxes)


def test_target_fills_the_same_share_of_every_search_crop():
    for side in (10.0, 40.0, 160.0):
        window = search_window(np.array([200.0, 200, side, side]), 0.5, 127, 255)
        box = window.to_crop(cxcywh_to_xyxy(np.array([200.0, 200, side, side])))
        assert box[2] - box[0] == pytest.approx(
            127 / 2, rel=0.03
        )  # side / context side = 1 / 2 for a square; the region is whole pixels


def test_penalty_is_one_for_the_same_size_and_falls_with_change():
    target = np.array([[40.0, 20.0]])
    sizes = np.array([[40.0, 80.0, 20.0, 20.0], [20.0, 40.0, 10.0, 40.0]])[
        None, :, None
    ]  # same, double, half, turned
    penalty = scale_ratio_penalty(sizes, target, k=0.1)[0, 0]
    assert penalty[0] == pytest.approx(1)
    assert penalty[1] == pytest.approx(np.exp(-0.1)) and penalty[2] == pytest.approx(np.exp(-0.1))
    assert penalty[3] == pytest.approx(np.exp(-0.1 * 3))  # the ratio changes by four


def test_hann_window_peaks_in_the_centre():
    window = hann_window(25)
    assert window[12, 12] == pytest.approx(1) and window[0].max() == 0
