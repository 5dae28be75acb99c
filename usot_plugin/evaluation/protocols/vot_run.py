"""What the VOT protocols share: the box to start from, and the record of a run."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Any, Literal, get_args

import numpy as np

from usot_plugin.evaluation.results.vot_files import VOTRun
from usot_plugin.structures.boxes import cxcywh_to_xyxy
from usot_plugin.structures.regions import FrameCode, PolygonRegion, Region

StartRule = Literal['equal_area', 'bounds']


def check_start(rule: str) -> str:
    """The rule itself.

    Raises:
        ValueError: It is unknown.
    """
    if rule not in get_args(StartRule):
        raise ValueError(f'unknown start {rule!r}; known are {", ".join(get_args(StartRule))}')
    return rule


def start_box(region: Region | None, bounds_xyxy: np.ndarray, rule: str) -> np.ndarray:
    """The box ``(4,)`` that a tracker starts from.

    Args:
        region: The annotation.
        bounds_xyxy: ``(4,)`` its bounding box.
        rule: ``bounds`` takes the bounding box, as the official toolkit does. ``equal_area`` takes,
            for a quadrilateral, the box around its centre with the area of the quadrilateral and
            the proportions of the bounding box, as SiamRPN, pysot and USOT do.
    """
    if rule == 'bounds' or not isinstance(region, PolygonRegion) or len(region.points_xy) != 4:
        return bounds_xyxy
    points = region.points_xy
    size = points.max(0) - points.min(0)
    first = np.linalg.norm(points[1] - points[0])
    second = np.linalg.norm(points[2] - points[1])
    # The vertices name pixels, so the size in pixels is one more than their distance.
    return cxcywh_to_xyxy(
        np.concatenate([points.mean(0), np.sqrt(first * second / size.prod()) * size + 1])
    )


def timed(call: Callable[..., Any], *arguments: Any) -> tuple[Any, float]:
    """What a call returns, and the seconds it took."""
    start = perf_counter()
    result = call(*arguments)
    return result, perf_counter() - start


class RunRecord:
    """Collects the entries of a run; a frame that nothing is said about has the code 0.

    Args:
        count: Frames of the run.
    """

    def __init__(self, count: int) -> None:
        self._entries: list[Region | FrameCode] = [FrameCode.UNKNOWN] * count
        self._seconds = np.full(count, np.nan)
        self._scores = np.full(count, np.nan)

    def set(
        self, index: int, entry: Region | FrameCode | None, seconds: float, score: float = 1.0
    ) -> None:
        """What came of a call at frame ``index`` of the run; None = no region."""
        self._entries[index] = FrameCode.UNKNOWN if entry is None else entry
        self._seconds[index], self._scores[index] = seconds, score

    def run(self) -> VOTRun:
        """The whole run."""
        return VOTRun(tuple(self._entries), self._seconds, self._scores)
