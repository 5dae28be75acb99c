"""Rotation in the image plane."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...registry import TRANSFORMS
from .augment import warp_view
from .view import View, ViewTransform


@TRANSFORMS.register_module()
class ViewRotate(ViewTransform):
    """Turn an image around its middle; what comes in at the corners has the fill colour.

    Args:
        views: Names of the views.
        prob: Probability.
        degrees: The angle is uniform between minus and plus this.
    """

    def __init__(self, views: Sequence[str], prob: float = 1.0, degrees: float = 10.0) -> None:
        super().__init__(views, prob)
        if not 0 <= degrees <= 180:
            raise ValueError(f'ViewRotate: degrees is in 0..180, got {degrees}')
        self.degrees = degrees

    def draw(self, view: View, rng: np.random.Generator) -> dict:
        return {'angle_deg': rng.uniform(-self.degrees, self.degrees)}

    def apply(self, view: View, angle_deg: float) -> View:
        height, width = view.image.shape[:2]
        middle = np.array([width, height]) / 2
        cos = np.cos(np.deg2rad(angle_deg))
        sin = np.sin(np.deg2rad(angle_deg))
        corners = np.array([[0, 0], [width, 0], [width, height], [0, height]]) - middle
        return warp_view(view, corners @ np.array([[cos, sin], [-sin, cos]]) + middle)
