"""Siamese crops around the box of a view."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...registry import TRANSFORMS
from ...structures.boxes import xyxy_to_cxcywh
from ...structures.crops import CONTEXT, boxes_to_crop, context_side, crop_region, rect_region
from .view import View, ViewTransform


def crop_view(
    view: View,
    window_wh: tuple[float, float],
    size_px: int,
    shift_xy: Sequence[float] | np.ndarray = (0, 0),
    scale_xy: Sequence[float] | np.ndarray = (1, 1),
) -> View:
    """Cut the window around the box of a view.

    Args:
        view: Image and box.
        window_wh: Sides in image pixels of the window at scale 1; the crop shows it ``size_px``
            large.
        size_px: Side of the (square) crop.
        shift_xy: Moves the window by this many crop pixels, so the box moves the other way.
        scale_xy: Factors on the sides of the window: above 1 the target becomes smaller.

    Returns:
        The crop ``(size_px, size_px, 3)``. The window is rounded to whole pixels of the image; the
        box follows the rounded window exactly.
    """
    center = xyxy_to_cxcywh(view.box_xyxy)[:2]
    unit = np.asarray(window_wh) / size_px
    region = rect_region(
        center + np.asarray(shift_xy) * unit, np.maximum(unit * size_px * np.asarray(scale_xy), 1)
    )
    out = (size_px, size_px)
    image = crop_region(view.image, region, out, view.fill)
    return view.updated(image, boxes_to_crop(view.box_xyxy, region, out), view.box_mask)


@TRANSFORMS.register_module()
class SiameseCrop(ViewTransform):
    """Cut a view around its box, with random shift and scale.

    Args:
        views: Names of the views.
        size: Side of the crop in pixels.
        exemplar: Side that shows the box and its context; equal to ``size`` for a template, 127 for
            a search area of 255.
        context: Share of ``w + h`` that belongs to the target (SiamFC).
        window: 'context' for the square ``context_side * size / exemplar``; 'scaled' for ``scaled``
            times width and height of the box, each axis by itself (correlation filters such as
            UDT).
        scaled: See ``window``.
        shift_px: The window moves by up to this many crop pixels on each axis, uniform.
        scale: The sides of the window change by up to this share, uniform.
        keep_aspect: One factor for both sides; otherwise each draws its own.

    Reference:
        USOT Sec. 3.2; shift 4 px and scale 0.05 for templates, 64 px and 0.18 for search and memory
        come from its release.
    """

    def __init__(
        self,
        views: Sequence[str],
        size: int,
        exemplar: int = 127,
        context: float = CONTEXT,
        window: str = 'context',
        scaled: float = 3.0,
        shift_px: float = 0.0,
        scale: float = 0.0,
        keep_aspect: bool = False,
    ) -> None:
        super().__init__(views)
        if window not in ('context', 'scaled'):
            raise ValueError(f"SiameseCrop: window is 'context' or 'scaled', got {window!r}")
        if size < 1 or exemplar < 1 or shift_px < 0 or not 0 <= scale < 1:
            raise ValueError(
                f'SiameseCrop: got size={size}, exemplar={exemplar}, shift_px={shift_px}, '
                f'scale={scale}'
            )
        self.size = size
        self.exemplar = exemplar
        self.context = context
        self.window = window
        self.scaled = scaled
        self.shift_px, self.scale, self.keep_aspect = shift_px, scale, keep_aspect

    def draw(self, view: View, rng: np.random.Generator) -> dict:
        shift = rng.uniform(-self.shift_px, self.shift_px, 2)
        scale = 1 + rng.uniform(-self.scale, self.scale, 2)
        return {'shift_xy': shift, 'scale_xy': scale[[0, 0]] if self.keep_aspect else scale}

    def apply(self, view: View, shift_xy: np.ndarray, scale_xy: np.ndarray) -> View:
        width, height = xyxy_to_cxcywh(view.box_xyxy)[2:]
        if self.window == 'scaled':
            window = (width * self.scaled, height * self.scaled)
        else:
            side = context_side(width, height, self.context) * self.size / self.exemplar
            window = (side, side)
        return crop_view(view, window, self.size, shift_xy, scale_xy)
