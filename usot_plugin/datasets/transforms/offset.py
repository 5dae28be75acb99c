"""Boxes moved beside their target, as a weak annotation has them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...registry import TRANSFORMS
from .view import View, ViewTransform


@TRANSFORMS.register_module()
class ViewBoxOffset(ViewTransform):
    """Move the box of a view, and so all that is cut around it later.

    Args:
        views: Names of the views.
        offset_px: Largest distance on each axis in pixels of the view, which are those of the frame before it is cut; uniform.

    Raises:
        ValueError: ``offset_px`` is negative.

    Reference:
        UDT, Sec. 4.2: offsets within 20 px.
    """

    def __init__(self, views: Sequence[str], offset_px: float = 20.0) -> None:
        super().__init__(views)
        if offset_px < 0:
            raise ValueError(f'ViewBoxOffset: offset_px must not be negative, got {offset_px}')
        self.offset_px = offset_px

    def draw(self, view: View, rng: np.random.Generator) -> dict:
        return {'offset_xy': rng.uniform(-self.offset_px, self.offset_px, 2)}

    def apply(self, view: View, offset_xy: np.ndarray) -> View:
        return view.updated(view.image, view.box_xyxy + np.tile(offset_xy, 2))
