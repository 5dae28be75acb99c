"""From flow to the distance map: how far each pixel's motion is from the mean motion.

USOT (arXiv:2108.12711), Sec. 3.1 and Eq. 1. The interval between the two frames of the flow adapts
to the speed of the scene.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from .config import IntervalConfig, MapConfig
from .quality import cut_borders


@dataclass(frozen=True)
class MapGeometry:
    """How a flow map lies in the frame.

    Attributes:
        frame_wh: Full frame in pixels.
        map_wh: Shrunk frame on which flow is computed, in pixels.
        unit_xy: Pixels of the config's unit per map pixel, per axis; (1, 1) for
            ``pixel_unit='flow'``.
        inner_xyxy: Part of the map that is left without its margin, in map pixels, ends excluded.
    """

    frame_wh: tuple[int, int]
    map_wh: tuple[int, int]
    unit_xy: tuple[float, float]
    inner_xyxy: tuple[int, int, int, int]

    @property
    def frame_per_map_xy(self) -> tuple[float, float]:
        """Frame pixels per map pixel."""
        return self.frame_wh[0] / self.map_wh[0], self.frame_wh[1] / self.map_wh[1]

    @property
    def frame_per_unit(self) -> float:
        """Frame pixels per pixel of the config's unit, averaged over the axes (they differ by
        rounding only)."""
        per_map = self.frame_per_map_xy
        return (per_map[0] / self.unit_xy[0] + per_map[1] / self.unit_xy[1]) / 2


def fit_within(size_wh: tuple[int, int], bound_wh: tuple[int, int]) -> tuple[int, int]:
    """``size_wh`` shrunk to fit in ``bound_wh``, aspect kept, never enlarged, at least one pixel
    per side."""
    scale = min(1.0, bound_wh[0] / size_wh[0], bound_wh[1] / size_wh[1])
    return max(1, round(size_wh[0] * scale)), max(1, round(size_wh[1] * scale))


def map_geometry(frame_wh: tuple[int, int], config: MapConfig) -> MapGeometry:
    """The geometry that a config gives to frames of ``frame_wh`` pixels."""
    map_wh = fit_within(frame_wh, config.size_wh)
    unit_xy = (
        (1.0, 1.0)
        if config.pixel_unit == 'flow'
        else (frame_wh[0] / map_wh[0], frame_wh[1] / map_wh[1])
    )
    return MapGeometry(frame_wh, map_wh, unit_xy, cut_borders(map_wh, config.margin))


def adapt_interval(
    flow_over: Callable[[int], np.ndarray],
    interval: int,
    config: IntervalConfig,
    unit_xy: tuple[float, float] = (1.0, 1.0),
) -> tuple[np.ndarray, int]:
    """Find the interval at which the fastest pixel moves neither too fast nor too slowly.

    Args:
        flow_over: Flow ``(H, W, 2)`` from the frame to the one ``interval`` later.
        interval: Interval to start from in frames, the result for the frame before.
        config: Bounds of interval and speed.
        unit_xy: Pixels of the config's unit per flow pixel.

    Returns:
        The flow of the interval it stops at, and that interval. It only falls or only rises on the
        way.
    """
    direction = 0
    while True:
        flow_uv = flow_over(interval)
        peak_px = max(_peak(flow_uv[..., 0]) * unit_xy[0], _peak(flow_uv[..., 1]) * unit_xy[1])
        if peak_px > config.fast_px and interval > config.min and direction <= 0:
            direction = -1
        elif peak_px < config.slow_px and interval < config.max and direction >= 0:
            direction = 1
        else:
            return flow_uv, interval
        interval += direction


def _peak(component: np.ndarray) -> float:
    return float(max(component.max(), -component.min()))


def distance_map(flow_uv: np.ndarray, geometry: MapGeometry) -> np.ndarray:
    """``D = || F - mean F ||`` on the map without its margin.

    Args:
        flow_uv: ``(H, W, 2)`` in map pixels.
        geometry: Gives the margin and the unit of the result.

    Returns:
        float32 of the size of ``geometry.inner_xyxy``, in pixels of the config's unit.

    Reference:
        USOT (arXiv:2108.12711), Eq. 1.
    """
    x1, y1, x2, y2 = geometry.inner_xyxy
    inner = np.asarray(flow_uv[y1:y2, x1:x2], np.float32)
    mean_u, mean_v = cv2.mean(inner)[:2]
    u, v = cv2.split(inner)
    return cv2.magnitude((u - mean_u) * geometry.unit_xy[0], (v - mean_v) * geometry.unit_xy[1])


def map_boxes_to_frame(boxes_xyxy: np.ndarray, geometry: MapGeometry) -> np.ndarray:
    """Boxes ``(N, 4)`` of the cut map in pixels of the full frame, float64."""
    scale_x, scale_y = geometry.frame_per_map_xy
    cut_x, cut_y = geometry.inner_xyxy[:2]
    return (np.asarray(boxes_xyxy, np.float64) + (cut_x, cut_y, cut_x, cut_y)) * (
        scale_x,
        scale_y,
        scale_x,
        scale_y,
    )
