import json
from pathlib import Path

import numpy as np
import pytest
from pytest import approx

from usot_plugin.evaluation.functional.region_overlap import region_overlap, region_overlaps
from usot_plugin.structures.regions import (
    BoxRegion,
    FrameCode,
    MaskRegion,
    PolygonRegion,
    format_region,
    parse_frame,
    parse_region,
)

GOLDEN = Path(__file__).parents[1] / 'golden' / 'vot'
RULES = ('toolkit', 'pysot', 'exact')


def _box(x, y, w, h):
    return BoxRegion([x, y, x + w, y + h])


def _random_line(rng, kind, largest):
    """A line of a result file; a third of the numbers lie on halves, where rounding rules
    differ."""
    centre = rng.uniform(-30, 120, 2) if rng.random() < 0.2 else rng.uniform(10, 50, 2)
    if kind == 'code':
        return str(rng.choice(['0', '1', 'nan,nan,nan,nan']))
    if kind == 'mask':
        mask = rng.random(rng.integers(2, int(largest) + 3, 2)) > rng.uniform(0, 0.9)
        mask[:, [0, -1]] = True
        return format_region(MaskRegion(mask, *(int(value) for value in centre)))
    if kind == 'box':
        values = np.array([*centre, *rng.uniform(0, largest, 2)])
    elif kind == 'convex':
        angles = np.sort(rng.uniform(0, 2 * np.pi, 4))
        values = (
            centre + np.stack([np.cos(angles), np.sin(angles)], 1) * rng.uniform(1, largest, 2)
        ).ravel()
    else:
        values = (centre + rng.uniform(-largest, largest, (rng.integers(3, 9), 2))).ravel()
    return ','.join(
        repr(float(value)) for value in (np.round(values * 2) / 2 if rng.random() < 0.3 else values)
    )


def test_shifted_boxes_by_each_rule():
    boxes = _box(0, 0, 10, 10), _box(5, 0, 10, 10)
    assert region_overlap(*boxes, rule='exact') == approx(50 / 150)
    assert region_overlap(*boxes, rule='toolkit') == approx(50 / 150)
    # As polygons both are 11 pixels wide and high and share six columns.
    assert region_overlap(*boxes, rule='pysot') == approx(6 / 16) == approx(0.375)


def test_polygon_vertices_are_pixels_to_the_toolkit_and_corners_to_the_exact_rule():
    square = PolygonRegion([[0, 0], [9, 0], [9, 9], [0, 9]])
    assert region_overlap(square, _box(0, 0, 10, 10), rule='toolkit') == 1
    assert region_overlap(square, _box(0, 0, 9, 9), rule='exact') == 1


@pytest.mark.parametrize('rule', RULES)
def test_equal_regions_overlap_fully_and_distant_ones_not(rule):
    polygon = PolygonRegion([[10.3, 5.1], [40.2, 12.7], [33.3, 44.4], [6.5, 31.9]])
    for region in (polygon, _box(3.4, 5.6, 20.2, 30.9)):
        assert region_overlap(region, region, (100, 100), rule) == approx(1, abs=1e-12)
        assert region_overlap(region, _box(60, 60, 10, 10), (100, 100), rule) == 0


@pytest.mark.parametrize('rule', RULES)
def test_overlap_does_not_depend_on_the_order(rule):
    rng = np.random.default_rng(3)
    first, second = (
        [parse_frame(_random_line(rng, kind, 40)) for kind in ('box', 'convex', 'any') * 8]
        for _ in range(2)
    )
    forth = region_overlaps(first, second, (150, 130), rule)
    assert forth == approx(region_overlaps(second, first, (150, 130), rule))
    assert (forth > 0).any() and (forth <= 1).all() and (forth >= 0).all()


@pytest.mark.parametrize('rule', RULES)
def test_only_what_lies_inside_the_bounds_counts(rule):
    half_outside, inside = _box(-10, 0, 20, 20), _box(0, 0, 10, 20)
    assert region_overlap(half_outside, inside, (100, 100), rule) == approx(1, abs=0.01)
    assert region_overlap(half_outside, inside, None, rule) == approx(0.5, abs=0.03)


def test_masks_are_counted_in_pixels():
    left = MaskRegion(np.ones((4, 4)), 0, 0)
    right = MaskRegion(np.ones((4, 4)), 2, 0)
    assert region_overlap(left, right) == approx(8 / 24)
    assert region_overlap(left, _box(2, 0, 4, 4), rule='exact') == approx(8 / 24)
    assert region_overlap(left, right, (4, 100)) == approx(8 / 16)


def test_frames_without_a_region():
    box = _box(1, 1, 5, 5)
    nothing = [None, FrameCode.INITIALISATION, FrameCode.FAILURE]
    assert region_overlaps(nothing, [box] * 3, (50, 50)).tolist() == [0, 0, 0]
    assert region_overlap(None, FrameCode.UNKNOWN, (50, 50), 'exact') == 1
    assert np.isnan(region_overlaps(nothing, [box] * 3, (50, 50), 'pysot')).all()


def test_a_sequence_gives_what_its_frames_give():
    rng = np.random.default_rng(5)
    kinds = ['box', 'convex', 'any', 'mask', 'code'] * 6
    first, second = (
        [parse_frame(_random_line(rng, str(kind), 30)) for kind in rng.permutation(kinds)]
        for _ in range(2)
    )
    for rule in RULES:
        single = [
            region_overlap(a, b, (200, 180), rule) for a, b in zip(first, second, strict=True)
        ]
        assert region_overlaps(first, second, (200, 180), rule).tolist() == pytest.approx(
            single, nan_ok=True
        )


def test_rows_worked_on_in_parts_give_the_same(monkeypatch):
    rng = np.random.default_rng(6)
    first, second = (
        [parse_frame(_random_line(rng, 'convex', 60)) for _ in range(20)] for _ in range(2)
    )
    whole = region_overlaps(first, second, (200, 180))
    monkeypatch.setattr('usot_plugin.evaluation.functional.region_overlap.ROWS_AT_ONCE', 50)
    assert region_overlaps(first, second, (200, 180)).tolist() == whole.tolist()


def test_rasterised_pairs_agree_with_their_masks():
    rng = np.random.default_rng(7)
    for _ in range(50):
        a, b = (
            parse_frame(_random_line(rng, str(rng.choice(['box', 'convex', 'any'])), 50))
            for _ in range(2)
        )
        masks = [region.to_mask(200, 180) for region in (a, b)]
        either = (masks[0] | masks[1]).sum()
        slow = (masks[0] & masks[1]).sum() / either if either else 0
        assert region_overlap(a, b, (200, 180)) == approx(slow, abs=1e-12)


def test_pysot_and_exact_overlaps_equal_the_golden_numbers():
    entries = json.loads((GOLDEN / 'vot_overlap_golden.json').read_text())
    assert len(entries) == 600
    for entry in entries:
        bounds = (entry['W'] - 1, entry['H'] - 1) if entry['bounded'] else None
        regions = [parse_region(','.join(map(repr, entry[side]))) for side in ('pred', 'gt')]
        assert region_overlap(*regions, bounds, 'pysot') == approx(entry['region_c'], abs=1e-6)
        assert region_overlap(*regions, bounds, 'exact') == approx(entry['exact'], abs=1e-9)


@pytest.mark.process
@pytest.mark.parametrize('bounds', [(211, 160), (1000, 900), (40, 50)])
def test_overlaps_equal_the_official_toolkit(bounds):
    raster = pytest.importorskip('vot.region.raster', reason='vot-toolkit is not installed')
    from vot.region.io import parse_region as parse_official

    rng = np.random.default_rng(bounds[0])
    kinds = ('box', 'convex', 'any', 'mask', 'code')
    lines = [
        [
            _random_line(rng, str(rng.choice(kinds)), rng.choice([1.5, 5, 40, 120]))
            for _ in range(600)
        ]
        for _ in range(2)
    ]
    official = raster.calculate_overlaps(
        *([parse_official(line) for line in side] for side in lines), bounds
    )
    ours = region_overlaps(*([parse_frame(line) for line in side] for side in lines), bounds)
    assert sum(value not in (0, 1) for value in official) > 50
    assert ours == approx(np.array(official), abs=1e-9)


def test_different_lengths_and_unknown_rules_are_refused():
    with pytest.raises(ValueError, match='2 predicted regions for 1'):
        region_overlaps([None, None], [None])
    with pytest.raises(ValueError, match="unknown overlap rule 'voc'"):
        region_overlap(None, None, rule='voc')
