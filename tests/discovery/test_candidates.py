from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from skimage import measure, morphology

from usot_plugin.discovery.candidates import (
    candidate_boxes,
    has_salient_motion,
    motion_mask,
    region_boxes,
    score_boxes,
)
from usot_plugin.discovery.config import CandidatesConfig

CONFIG = CandidatesConfig()
ONE = replace(CONFIG, alphas=(0.3,))


def blob_map(
    boxes: dict[tuple[int, int, int, int], float], size_wh: tuple[int, int] = (200, 120)
) -> np.ndarray:
    distance = np.full((size_wh[1], size_wh[0]), 0.1, np.float32)
    for (x1, y1, x2, y2), value in boxes.items():
        distance[y1:y2, x1:x2] = value
    return distance


def slow_region_boxes(mask: np.ndarray, min_area: int) -> set[tuple[int, ...]]:
    """The same with scikit-image: small areas out, enclosed small holes in, rectangles of what is
    left."""
    labels = measure.label(mask > 0, connectivity=2)
    kept = np.isin(labels, [r.label for r in measure.regionprops(labels) if r.area >= min_area])
    holes = measure.label(~kept, connectivity=1)
    for region in measure.regionprops(holes):
        y1, x1, y2, x2 = region.bbox
        enclosed = y1 > 0 and x1 > 0 and y2 < mask.shape[0] and x2 < mask.shape[1]
        if enclosed and region.area < min_area:
            kept[holes == region.label] = True
    boxes = [r.bbox for r in measure.regionprops(measure.label(kept, connectivity=2))]
    return {(x1, y1, x2, y2) for y1, x1, y2, x2 in boxes}


@pytest.mark.parametrize('seed', range(6))
@pytest.mark.parametrize('min_area', [0, 3, 12, 60])
def test_regions_equal_scikit_image(seed, min_area):
    noise = np.random.default_rng(seed).random((60, 80))
    mask = (morphology.opening(noise > 0.35) if seed % 2 else noise > 0.55).astype(np.uint8) * 255
    given = region_boxes(mask, min_area)
    assert {tuple(box) for box in given.tolist()} == slow_region_boxes(mask, min_area)


def test_island_in_a_small_hole_is_part_of_its_surroundings():
    mask = np.full((60, 60), 255, np.uint8)
    mask[19:41, 19:41] = 0
    mask[20:40, 20:40] = 255  # 400 pixels inside a ring of 84
    assert len(region_boxes(mask, 80)) == 2
    assert region_boxes(mask, 85).tolist() == [[0, 0, 60, 60]]


def test_diagonal_pixels_are_connected():
    assert region_boxes(np.eye(5, dtype=np.uint8), 5).tolist() == [[0, 0, 5, 5]]


def test_regions_of_an_empty_mask():
    assert region_boxes(np.zeros((5, 5), np.uint8), 1).shape == (0, 4)


def test_mask_is_the_papers_threshold():
    distance = np.array([[0, 1, 2, 9]], np.float32)  # mean 3, max 9: 0.3 * 9 + 0.7 * 3 = 4.8
    assert motion_mask(distance, 0.3).tolist() == [[0, 0, 0, 1]]
    distance = np.array([[0, 4, 4, 4]], np.float32)  # the threshold itself belongs to the mask
    assert motion_mask(distance, 1.0).tolist() == [[0, 1, 1, 1]]


@pytest.mark.parametrize(
    ('values', 'expected'),
    [
        ([0.0] * 4, False),  # nothing at all
        ([1.0] * 4, False),  # everything alike: max / mean = 1
        ([0.0, 0.0, 0.0, 4.0], True),  # max / mean = 4
        ([2.0, 2.0, 2.0, 6.0], False),  # max / mean = 2
        ([0.0] * 99 + [0.4], False),  # below half a pixel: noise
    ],
)
def test_gate(values, expected):
    assert has_salient_motion(np.array([values], np.float32), CONFIG) == expected


def test_gate_of_a_still_scene():
    # mean 0.04, max / mean = 2: open because the scene as a whole stands still, as in the release.
    distance = np.array([[0.0, 0.08]], np.float32)
    assert has_salient_motion(distance, replace(CONFIG, min_peak_px=0))
    assert not has_salient_motion(distance, replace(CONFIG, min_peak_px=0, gate_mean_px=0.03))


def slow_score(box, map_wh, peak, config) -> float:
    """The release's rules one by one, for one rectangle."""
    x1, y1, x2, y2 = box
    w, h, (full_w, full_h) = x2 - x1, y2 - y1, map_wh
    if w < 0.02 * full_w or h < 0.02 * full_h or w * h < 50 or w / h > 6 or h / w > 6:
        return -np.inf
    score = w * h + 0.5 * min(x1, full_w - x2) * min(y1, full_h - y2)
    if x1 <= peak[0] < x2 and y1 <= peak[1] < y2:
        score *= 2
    if min(y1, full_h - y2) <= 15:
        score /= 2
        if w > 0.7 * full_w:
            return -np.inf
    if min(x1, full_w - x2) <= 15:
        score /= 2
        if h > 0.7 * full_h:
            return -np.inf
    return score


def test_scores_equal_the_rules_one_by_one():
    rng = np.random.default_rng(0)
    corners = np.sort(rng.integers(0, (200, 120), (500, 2, 2)), axis=1)
    boxes = np.concatenate([corners[:, 0], corners[:, 1] + 1], axis=1)
    expected = [slow_score(box, (200, 120), (90, 60), CONFIG) for box in boxes.tolist()]
    given = score_boxes(boxes, (200, 120), (90, 60), CONFIG)
    np.testing.assert_allclose(given, expected)
    assert 0 < np.isinf(given).sum() < 500


def test_score_in_closed_form():
    # 20 x 10 in the middle of 200 x 120: 200 + 0.5 * 90 * 55 = 2675, twice for the peak.
    box = np.array([[90, 55, 110, 65]])
    assert score_boxes(box, (200, 120), (0, 0), CONFIG).tolist() == [2675]
    assert score_boxes(box, (200, 120), (100, 60), CONFIG).tolist() == [5350]


def test_pixel_numbers_follow_the_unit():
    # The same scene at half the size with a unit of 2 map pixels: the same decisions, a score in
    # the same square pixels.
    box, half = np.array([[30, 40, 70, 80]]), np.array([[15, 20, 35, 40]])
    full = score_boxes(box, (200, 120), (0, 0), CONFIG)
    np.testing.assert_allclose(score_boxes(half, (100, 60), (0, 0), CONFIG, (2.0, 2.0)), full)


def test_one_mover_gives_its_rectangle_once_per_mask():
    distance = blob_map({(60, 40, 90, 70): 8.0})
    assert candidate_boxes(distance, CONFIG).tolist() == [[60, 40, 90, 70]] * 2
    assert candidate_boxes(distance, ONE).tolist() == [[60, 40, 90, 70]]


def test_lower_threshold_takes_in_the_slower_part():
    # max 10, mean about 0.59: thresholds 3.4 and 2.1, and a rim of 3.
    distance = blob_map({(60, 40, 100, 80): 3.0, (70, 50, 90, 70): 10.0})
    assert candidate_boxes(distance, CONFIG).tolist() == [[70, 50, 90, 70], [60, 40, 100, 80]]


def test_the_best_of_two_movers_and_both():
    distance = blob_map({(60, 40, 90, 70): 8.0, (120, 50, 135, 65): 7.0})
    assert candidate_boxes(distance, ONE).tolist() == [[60, 40, 90, 70]]
    both = candidate_boxes(distance, replace(ONE, per_mask=3))
    assert both.tolist() == [[60, 40, 90, 70], [120, 50, 135, 65]]


def test_doubles_of_two_masks_count_once_when_asked():
    distance = blob_map({(60, 40, 90, 70): 8.0, (120, 50, 135, 65): 7.0})
    config = replace(CONFIG, per_mask=2, nms=0.7)
    assert candidate_boxes(distance, config).tolist() == [[60, 40, 90, 70], [120, 50, 135, 65]]


def test_no_mover_gives_no_candidate():
    assert candidate_boxes(np.zeros((120, 200), np.float32), CONFIG).shape == (0, 4)
    assert candidate_boxes(blob_map({(60, 40, 63, 43): 8.0}), CONFIG).shape == (0, 4)  # 9 pixels
    assert candidate_boxes(blob_map({(0, 0, 200, 12): 8.0}), CONFIG).shape == (
        0,
        4,
    )  # along a border
