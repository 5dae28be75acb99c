"""Boxes moved beside or within their target."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...registry import TRANSFORMS
from ...structures.boxes import cxcywh_to_xyxy, xyxy_to_cxcywh
from .view import GroupTransform, View, ViewTransform, check_range


@TRANSFORMS.register_module()
class ViewBoxOffset(ViewTransform):
    """Move the box of a view, and so all that is cut around it later.

    Args:
        views: Names of the views.
        offset_px: Largest distance on each axis in pixels of the view, which are those of the frame
            before it is cut; uniform.

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


@TRANSFORMS.register_module()
class GroupBoxPart(GroupTransform):
    """Make another region of the object the target: the same part of the box in every image of the
    group.

    Boxes that always end where an object ends teach a network to close its box around whatever it
    sees. A face on a person is then lost to the person. A part has no edges of its own: its box can
    only be known from the template.

    Args:
        views: Names of the views.
        prob: Probability that a group gets a part.
        shift: Largest move of the centre on each axis, as a share of the box's side; uniform.
        scale: Range of the factor on each side; log-uniform.

    Raises:
        ValueError: ``shift`` is negative or ``scale`` no range of positive factors.
    """

    def __init__(
        self,
        views: Sequence[str],
        prob: float = 0.5,
        shift: float = 0.3,
        scale: Sequence[float] = (0.4, 1.25),
    ) -> None:
        super().__init__(views, prob)
        self.scale = check_range(self, 'scale', scale, np.finfo(float).tiny)
        if shift < 0:
            raise ValueError(f'GroupBoxPart: shift must not be negative, got {shift}')
        self.shift = shift

    def draw_once(self, rng: np.random.Generator) -> dict:
        least, greatest = np.log(self.scale)
        return {
            'shift': rng.uniform(-self.shift, self.shift, 2),
            'scale': np.exp(rng.uniform(least, greatest, 2)),
        }

    def apply(self, view: View, shift: np.ndarray, scale: np.ndarray) -> View:
        box = xyxy_to_cxcywh(view.box_xyxy)
        return view.updated(
            view.image, cxcywh_to_xyxy(np.concatenate([box[:2] + shift * box[2:], box[2:] * scale]))
        )
