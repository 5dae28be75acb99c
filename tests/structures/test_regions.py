import numpy as np
import pytest
from pytest import approx

from usot_plugin.structures.raster import polygon_spans
from usot_plugin.structures.regions import (
    BoxRegion,
    FrameCode,
    MaskRegion,
    PolygonRegion,
    format_region,
    parse_frame,
    parse_region,
)


def test_box_line_is_top_left_corner_and_size():
    region = parse_region('10,20,30.5,40')
    assert isinstance(region, BoxRegion)
    assert region.box_xyxy == approx([10, 20, 40.5, 60])
    assert format_region(region, decimals=1) == '10.0,20.0,30.5,40.0'


def test_polygon_line_is_its_vertices():
    region = parse_region('1,2,5,2,5,8')
    assert isinstance(region, PolygonRegion)
    assert region.points_xy.tolist() == [[1, 2], [5, 2], [5, 8]]
    assert region.box_xyxy.tolist() == [1, 2, 5, 8]
    assert format_region(region, decimals=0) == '1,2,5,2,5,8'


def test_mask_line_is_window_and_run_lengths():
    # Three by two pixels: .## / #..
    region = parse_region('m4,5,3,2,1,3,2')
    assert isinstance(region, MaskRegion)
    assert region.mask.tolist() == [[False, True, True], [True, False, False]]
    assert region.box_xyxy.tolist() == [4, 5, 7, 7]
    assert format_region(region) == 'm4,5,3,2,1,3,2'


def test_mask_that_begins_with_a_pixel_has_an_empty_first_run():
    assert format_region(MaskRegion(np.ones((2, 2)), -3, 0)) == 'm-3,0,2,2,0,4'


def test_missing_end_of_a_mask_is_empty():
    assert parse_region('m0,0,2,2,1,1').mask.tolist() == [[False, True], [False, False]]


@pytest.mark.parametrize('seed', range(5))
def test_masks_survive_writing_and_reading(seed):
    mask = np.random.default_rng(seed).random((7, 9)) > 0.5
    read = parse_region(format_region(MaskRegion(mask, 3, -2)))
    assert (read.mask == mask).all() and (read.left, read.top) == (3, -2)


@pytest.mark.parametrize(
    ('line', 'code'),
    [('0', 0), ('1', 1), ('2.0', 2), ('nan,nan,nan,nan', 0), ('m0,0,2,2,4', 0), ('m0,0,0,0,0', 0)],
)
def test_codes_and_absent_targets(line, code):
    assert parse_frame(line) is FrameCode(code)
    assert parse_region(line) is None


def test_codes_are_written_as_numbers():
    assert [format_region(code) for code in (None, FrameCode.INITIALISATION, 2)] == ['0', '1', '2']


@pytest.mark.parametrize(
    ('line', 'cause'),
    [
        ('', 'not a region'),
        ('a,b,c,d', 'not a region'),
        ('3', 'a code is 0, 1 or 2'),
        ('1,2', '2 numbers'),
        ('1,2,3,4,5', '5 numbers'),
        ('1,2,-3,4', 'negative width or height'),
        ('1,2,inf,4', 'finite corners'),
        ('1,2,3,4,inf,6', 'finite vertices'),
        ('m1,2,3', 'mX,Y,W,H'),
        ('m0,0,2,2,1.5', 'whole numbers'),
        ('m0,0,2,2,-1', 'negative size or run'),
        ('m0,0,2,2,5', 'runs of 5 pixels in a mask of 2x2'),
    ],
)
def test_malformed_lines_are_refused_with_the_cause(line, cause):
    with pytest.raises(ValueError, match=cause):
        parse_frame(line)


def test_box_pixels_are_rounded_position_and_size():
    mask = BoxRegion([0.6, -1, 2.7, 1.4]).to_mask(5, 4)  # x 1, w 2; y -1, h 2
    assert np.argwhere(mask).tolist() == [[0, 1], [0, 2]]
    assert not BoxRegion([-9, -9, -5, -5]).to_mask(5, 4).any()


def test_polygon_vertices_are_pixels():
    mask = PolygonRegion([[1, 1], [3, 1], [3, 2], [1, 2]]).to_mask(6, 5)
    assert np.argwhere(mask).tolist() == [[1, 1], [1, 2], [1, 3], [2, 1], [2, 2], [2, 3]]


def test_triangle_pixels_row_by_row():
    mask = PolygonRegion([[0, 0], [4, 0], [0, 4]]).to_mask(5, 5)
    assert mask.sum(1).tolist() == [5, 4, 3, 2, 1]


def test_mask_is_cut_at_the_frame():
    frame = MaskRegion(np.ones((3, 3)), -1, 3).to_mask(4, 5)
    assert np.argwhere(frame).tolist() == [[3, 0], [3, 1], [4, 0], [4, 1]]
    assert not MaskRegion(np.ones((3, 3)), 9, 9).to_mask(4, 5).any()


def test_mask_without_pixels_has_no_box():
    assert np.isnan(MaskRegion(np.zeros((3, 3))).box_xyxy).all()


def test_spans_of_a_concave_polygon():
    u_shape = np.array([[0, 0], [2, 0], [2, 4], [5, 4], [5, 0], [7, 0], [7, 6], [0, 6]], float)
    firsts, lasts = polygon_spans(u_shape[None], np.array([2]))
    assert [(a, b) for a, b in zip(firsts[0], lasts[0], strict=True) if b >= a] == [(0, 2), (5, 7)]


@pytest.mark.parametrize(
    'make',
    [
        lambda: BoxRegion([3, 0, 1, 2]),
        lambda: PolygonRegion([[0, 0], [1, 1]]),
        lambda: MaskRegion(np.zeros(4)),
    ],
)
def test_impossible_regions_are_refused(make):
    with pytest.raises(ValueError):
        make()
