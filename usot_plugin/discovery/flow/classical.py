"""Flow without weights: the two dense methods of OpenCV."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from ...registry import TASK_UTILS
from .base import FlowEstimator

DIS_PRESETS = {
    'ultrafast': cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST,
    'fast': cv2.DISOPTICAL_FLOW_PRESET_FAST,
    'medium': cv2.DISOPTICAL_FLOW_PRESET_MEDIUM,
}


@TASK_UTILS.register_module()
class DISFlow(FlowEstimator):
    """Dense inverse search, the default: good edges at a few milliseconds a frame on one CPU core.

    Args:
        preset: ``'ultrafast'``, ``'fast'`` or ``'medium'``; each step is about two, then five times
            slower.

    Raises:
        ValueError: There is no such preset.

    Reference:
        Kroeger et al., Fast Optical Flow using Dense Inverse Search (arXiv:1603.03590).
    """

    def __init__(self, preset: str = 'fast') -> None:
        if preset not in DIS_PRESETS:
            raise ValueError(
                f"DISFlow: preset must be one of {sorted(DIS_PRESETS)}, got '{preset}'"
            )
        self.preset = preset
        self._dis = cv2.DISOpticalFlow.create(DIS_PRESETS[preset])

    def flow(
        self, frame0: np.ndarray, frame1: np.ndarray, before: np.ndarray | None = None
    ) -> np.ndarray:
        return self._dis.calc(np.ascontiguousarray(frame0), np.ascontiguousarray(frame1), None)  # type: ignore[call-overload]

    def __reduce__(self):  # the OpenCV object cannot be pickled
        return type(self), (self.preset,)


@TASK_UTILS.register_module()
class FarnebackFlow(FlowEstimator):
    """Polynomial expansion: smoother than DIS, about ten times slower, and without its search for
    large motion.

    Args:
        pyramid_scale: Size ratio of neighbouring pyramid levels.
        levels: Number of pyramid levels.
        window_px: Side of the averaging window.
        iterations: Iterations per level.
        poly_n: Side of the neighbourhood of the expansion in pixels, 5 or 7.
        poly_sigma: Its Gaussian's sigma in pixels; 1.1 belongs to 5, 1.5 to 7.

    Reference:
        Farneback, Two-Frame Motion Estimation Based on Polynomial Expansion (SCIA 2003).
    """

    def __init__(
        self,
        pyramid_scale: float = 0.5,
        levels: int = 5,
        window_px: int = 15,
        iterations: int = 3,
        poly_n: int = 5,
        poly_sigma: float = 1.1,
    ) -> None:
        if not 0 < pyramid_scale < 1:
            raise ValueError(f'FarnebackFlow: pyramid_scale must be in (0, 1), got {pyramid_scale}')
        if poly_n not in (5, 7):
            raise ValueError(f'FarnebackFlow: poly_n must be 5 or 7, got {poly_n}')
        self._options: dict[str, Any] = dict(
            pyr_scale=pyramid_scale,
            levels=levels,
            winsize=window_px,
            iterations=iterations,
            poly_n=poly_n,
            poly_sigma=poly_sigma,
            flags=0,
        )

    def flow(
        self, frame0: np.ndarray, frame1: np.ndarray, before: np.ndarray | None = None
    ) -> np.ndarray:
        return cv2.calcOpticalFlowFarneback(frame0, frame1, None, **self._options)  # type: ignore[call-overload]
