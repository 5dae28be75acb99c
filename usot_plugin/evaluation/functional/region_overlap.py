"""Overlaps of regions, by the rules of the toolkits that score them.

``toolkit``: the official toolkit counts pixels; a box covers its size, a polygon the pixels that
its vertices name. ``pysot``: the same for polygons of an older code that knows no boxes; a box
becomes a polygon, one pixel wider and higher than its size. ``exact``: areas of the continuous
shapes. Masks are counted in pixels by the toolkit's rule, whatever the rule.

References:
    VOT2016 (Kristan et al., ECCVW 2016), Sec. 2; the rules themselves are documented in
    ``docs/protocols.md``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np

from usot_plugin.structures.boxes import iou, xyxy_to_xywh
from usot_plugin.structures.raster import clip_spans, polygon_spans, spans_to_mask
from usot_plugin.structures.regions import BoxRegion, FrameCode, MaskRegion, PolygonRegion, Region

OverlapRule = Literal['toolkit', 'pysot', 'exact']
OVERLAP_RULES: tuple[str, ...] = get_args(OverlapRule)
#: Rows of pixels that are worked on at once.
ROWS_AT_ONCE = 1 << 17
#: pysot's code calls two regions disjoint when their boxes differ this much in area.
PYSOT_AREA_RATIO = 1e-10

_Entry = Region | FrameCode | None


def region_overlap(
    a: _Entry, b: _Entry, bounds: tuple[float, float] | None = None, rule: str = 'toolkit'
) -> float:
    """Overlap of two regions; see :func:`region_overlaps`."""
    return float(region_overlaps([a], [b], bounds, rule)[0])


def region_overlaps(
    predicted: Sequence[_Entry],
    annotated: Sequence[_Entry],
    bounds: tuple[float, float] | None = None,
    rule: str = 'toolkit',
) -> np.ndarray:
    """Overlaps of the regions of ``T`` frames.

    Args:
        predicted: ``T`` regions; None or a code where there is none.
        annotated: ``T`` regions likewise.
        bounds: Width and height of the frames; what lies outside does not count. None counts
            everything.
        rule: One of :data:`OVERLAP_RULES`.

    Returns:
        ``(T,)`` float64 in [0, 1]. Where one of two has no region: 0, and 1 where both have none
        (the official toolkit's definition); nan by the rule ``pysot``.

    Raises:
        ValueError: Different lengths, or an unknown rule.
    """
    if len(predicted) != len(annotated):
        raise ValueError(f'{len(predicted)} predicted regions for {len(annotated)} annotated ones')
    if rule not in OVERLAP_RULES:
        raise ValueError(f'unknown overlap rule {rule!r}; known are {", ".join(OVERLAP_RULES)}')
    groups: dict[tuple, list[int]] = defaultdict(list)
    for index, pair in enumerate(zip(predicted, annotated, strict=True)):
        groups[tuple(_signature(region) for region in pair)].append(index)
    overlaps = np.empty(len(predicted))
    for signatures, indices in groups.items():
        first = [predicted[i] for i in indices]
        second = [annotated[i] for i in indices]
        overlaps[indices] = _group_overlaps(signatures, first, second, bounds, rule)
    return overlaps


def _signature(region: _Entry) -> Any:
    """What regions that are worked on together share: the kind, and the number of vertices."""
    if region is None or isinstance(region, FrameCode):
        return None
    return (
        (type(region), len(region.points_xy))
        if isinstance(region, PolygonRegion)
        else (type(region), 0)
    )


def _group_overlaps(
    signatures: tuple, first: list, second: list, bounds: tuple[float, float] | None, rule: str
) -> np.ndarray:
    if None in signatures:
        return _overlaps_with_nothing(first, second, rule)
    if any(kind is MaskRegion for kind, _ in signatures):
        return np.array([_mask_overlap(a, b, bounds) for a, b in zip(first, second, strict=True)])
    function = {'toolkit': _toolkit_overlaps, 'pysot': _pysot_overlaps, 'exact': _exact_overlaps}[
        rule
    ]
    return function(first, second, bounds)


def _overlaps_with_nothing(first: list, second: list, rule: str) -> np.ndarray:
    if rule == 'pysot':
        return np.full(len(first), np.nan)
    # A region of a single row or column that starts at the origin is nothing, too, to the toolkit.
    boxes = [
        _Pixels(side).boxes if _signature(side[0]) is not None else np.zeros((len(first), 4))
        for side in (first, second)
    ]
    union = _union(*boxes)
    return ((union[:, 0] >= union[:, 2]) | (union[:, 1] >= union[:, 3])).astype(np.float64)


class _Pixels:
    """Regions of one kind as pixels, by the toolkit's rounding.

    Attributes:
        boxes: ``(F, 4)`` first and last column and row: ``x1, y1, x2, y2``, inclusive.
        points: ``(F, N, 2)`` vertices of polygons; None for boxes.
    """

    def __init__(self, regions: list[Region]) -> None:
        self.points = None
        if isinstance(regions[0], PolygonRegion):
            points = np.array([region.points_xy for region in regions], np.float32)  # type: ignore[union-attr]
            self.points = np.round(points).astype(np.float64)
            self.boxes = np.concatenate([self.points.min(1), self.points.max(1)], axis=1)
        elif isinstance(regions[0], MaskRegion):
            self.boxes = np.array([region.box_xyxy for region in regions]) - [0, 0, 1, 1]
        else:
            xywh = np.round(
                xyxy_to_xywh(np.array([region.box_xyxy for region in regions])).astype(np.float32)
            ).astype(np.float64)
            self.boxes = np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:] - 1], axis=1)

    def spans(
        self, frames: np.ndarray, rows: np.ndarray, origins: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Columns covered on the row ``rows[i]`` of the window of frame ``frames[i]`` that begins
        at ``origins[i]``."""
        if self.points is not None:
            return polygon_spans(self.points[frames] - origins[:, None], rows)
        boxes = self.boxes[frames] - np.tile(origins, 2)
        inside = (boxes[:, 1] <= rows) & (rows <= boxes[:, 3])
        return boxes[:, :1].astype(np.int64), np.where(inside, boxes[:, 2], -1)[:, None].astype(
            np.int64
        )


def _toolkit_overlaps(first: list, second: list, bounds: tuple[float, float] | None) -> np.ndarray:
    a = _Pixels(first)
    b = _Pixels(second)
    windows, overlaps = _windows(a.boxes, b.boxes, bounds)
    todo = np.flatnonzero(np.isnan(overlaps))
    overlaps[todo] = _count_overlaps(a.spans, b.spans, todo, windows[todo])
    return overlaps


def _windows(
    a_boxes: np.ndarray, b_boxes: np.ndarray, bounds: tuple[float, float] | None
) -> tuple[np.ndarray, np.ndarray]:
    """Where the toolkit draws a pair, ``(F, 4)`` inclusive, and its overlap where that is known
    without drawing (else nan)."""
    union = _union(a_boxes, b_boxes)
    windows = union.copy()
    if bounds is not None:
        windows[:, :2] = np.maximum(union[:, :2], 0)
        windows[:, 2:] = np.minimum(union[:, 2:], np.array(bounds) - 1)
    overlaps = np.full(len(union), np.nan)
    overlaps[(windows[:, :2] >= windows[:, 2:]).any(1)] = 0
    overlaps[(union[:, :2] >= union[:, 2:]).any(1)] = (
        1  # less than two columns or rows: two empty regions, which are the same
    )
    return windows, overlaps


def _union(a_boxes: np.ndarray, b_boxes: np.ndarray) -> np.ndarray:
    return np.concatenate(
        [np.minimum(a_boxes[:, :2], b_boxes[:, :2]), np.maximum(a_boxes[:, 2:], b_boxes[:, 2:])],
        axis=1,
    )


def _count_overlaps(
    a_spans: Any, b_spans: Any, frames: np.ndarray, windows: np.ndarray
) -> np.ndarray:
    """Pixels in both over pixels in any, for frames whose spans two functions give; windows are
    inclusive."""
    overlaps = np.zeros(len(frames))
    heights = (windows[:, 3] - windows[:, 1] + 1).astype(np.int64)
    ends = np.cumsum(heights)
    start = 0
    while start < len(frames):
        stop = max(
            int(
                np.searchsorted(
                    ends, (ends[start - 1] if start else 0) + ROWS_AT_ONCE, side='right'
                )
            ),
            start + 1,
        )
        part = slice(start, stop)
        owner = np.repeat(np.arange(stop - start), heights[part])
        rows = np.arange(len(owner)) - np.repeat(
            np.cumsum(heights[part]) - heights[part], heights[part]
        )
        origins = windows[part, :2][owner]
        widths = (windows[part, 2] - windows[part, 0] + 1).astype(np.int64)[owner, None]
        drawn = (spans(frames[part][owner], rows, origins) for spans in (a_spans, b_spans))
        a, b = (clip_spans(firsts, lasts, widths) for firsts, lasts in drawn)
        both = np.zeros(len(owner), np.int64)
        for a_first, a_last in zip(a[0].T, a[1].T, strict=True):
            for b_first, b_last in zip(b[0].T, b[1].T, strict=True):
                both += np.maximum(np.minimum(a_last, b_last) - np.maximum(a_first, b_first) + 1, 0)
        either = sum(np.maximum(last - first + 1, 0).sum(1) for first, last in (a, b)) - both
        shared, total = (np.bincount(owner, counts, stop - start) for counts in (both, either))
        overlaps[part] = shared / np.maximum(total, 1)
        start = stop
    return overlaps


def _mask_overlap(a: Region, b: Region, bounds: tuple[float, float] | None) -> float:
    pixels = [_Pixels([a]), _Pixels([b])]
    windows, overlaps = _windows(pixels[0].boxes, pixels[1].boxes, bounds)
    if not np.isnan(overlaps[0]):
        return float(overlaps[0])
    left, top, right, bottom = windows[0].astype(int)
    width, height = right - left + 1, bottom - top + 1
    drawn = []
    for region, shape in zip((a, b), pixels, strict=True):
        if isinstance(region, MaskRegion):
            drawn.append(
                MaskRegion(region.mask, region.left - left, region.top - top).to_mask(width, height)
            )
        else:
            rows = np.arange(height)
            origins = np.broadcast_to(windows[0, :2], (height, 2))
            drawn.append(
                spans_to_mask(*shape.spans(np.zeros(height, np.int64), rows, origins), width)
            )
    either = (drawn[0] | drawn[1]).sum()
    return float((drawn[0] & drawn[1]).sum() / either) if either else 0.0


def _vertices(regions: list[Region]) -> np.ndarray:
    """``(F, N, 2)`` vertices; those of a box run clockwise from its top left."""
    if isinstance(regions[0], PolygonRegion):
        return np.array([region.points_xy for region in regions])  # type: ignore[union-attr]
    boxes = np.array([region.box_xyxy for region in regions])
    return boxes[:, [0, 1, 2, 1, 2, 3, 0, 3]].reshape(-1, 4, 2)


def _pysot_overlaps(first: list, second: list, bounds: tuple[float, float] | None) -> np.ndarray:
    points = [_vertices(side).astype(np.float32) for side in (first, second)]
    limit = np.array([np.inf, np.inf] if bounds is None else bounds, np.float32)
    floor = np.float32(-np.inf if bounds is None else 0)
    boxes = [
        np.concatenate(
            [np.maximum(np.floor(p.min(1)), floor), np.minimum(np.ceil(p.max(1)), limit)], axis=1
        )
        for p in points
    ]
    windows = _union(*boxes).astype(np.float64)
    sides = [(box[:, 2:] - box[:, :2]).astype(np.float64) for box in boxes]
    areas = [side[:, 0] * side[:, 1] for side in sides]
    common = (
        (
            np.minimum(boxes[0][:, 2:], boxes[1][:, 2:])
            - np.maximum(boxes[0][:, :2], boxes[1][:, :2])
        )
        .astype(np.float64)
        .prod(1)
    )
    with np.errstate(divide='ignore', invalid='ignore'):
        disjoint = (areas[0] / areas[1] < PYSOT_AREA_RATIO) | (
            areas[1] / areas[0] < PYSOT_AREA_RATIO
        )
        disjoint |= (windows[:, 2:] < windows[:, :2]).any(1) | (
            common / (areas[0] + areas[1] - common) <= 0
        )
    todo = np.flatnonzero(~disjoint)

    def spans_of(vertices: np.ndarray) -> Any:
        def spans(
            frames: np.ndarray, rows: np.ndarray, origins: np.ndarray
        ) -> tuple[np.ndarray, np.ndarray]:
            moved = (vertices[frames] - origins[:, None].astype(np.float32)).astype(np.float64)
            rounded = np.copysign(np.floor(np.abs(moved) + 0.5), moved)
            return polygon_spans(rounded, rows, horizontal_edges=False, pair_last=False)

        return spans

    overlaps = np.zeros(len(first))
    overlaps[todo] = _count_overlaps(spans_of(points[0]), spans_of(points[1]), todo, windows[todo])
    return overlaps


def _exact_overlaps(first: list, second: list, bounds: tuple[float, float] | None) -> np.ndarray:
    if isinstance(first[0], BoxRegion) and isinstance(second[0], BoxRegion) and bounds is None:
        return iou(*(np.array([region.box_xyxy for region in side]) for side in (first, second)))
    import shapely  # both hosts bring it; nothing else here needs it

    shapes = [shapely.polygons(_vertices(side)) for side in (first, second)]
    shapes = [
        np.where(shapely.is_valid(shape), shape, shapely.make_valid(shape)) for shape in shapes
    ]
    if bounds is not None:
        shapes = [shapely.intersection(shape, shapely.box(0, 0, *bounds)) for shape in shapes]
    common = shapely.area(shapely.intersection(*shapes))
    total = shapely.area(shapes[0]) + shapely.area(shapes[1]) - common
    return np.minimum(common / np.where(total == 0, 1, total), 1)
