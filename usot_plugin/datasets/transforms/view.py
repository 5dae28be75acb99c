"""What the transforms of a training group work on: views, and a base class that draws parameters
first and applies them second."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform


@dataclass(frozen=True)
class View:
    """One image of a training group and the box in it.

    Attributes:
        image: ``(H, W, 3)`` uint8 BGR: a frame, a stored crop of one, or (after cropping) the
            network's input. Never changed in place.
        box_xyxy: ``(4,)`` float64 in pixels of ``image``; parts may lie outside.
        frame_index: Frame of the clip.
        fill: Colour outside the frame, ``(3,)``.
        box_mask: ``(M, M)`` bool on a grid over ``box_xyxy``, the target's pixels in its box; None
            where they are unknown.
    """

    image: np.ndarray
    box_xyxy: np.ndarray
    frame_index: int
    fill: np.ndarray
    box_mask: np.ndarray | None = None

    def updated(
        self,
        image: np.ndarray,
        box_xyxy: np.ndarray | None = None,
        box_mask: np.ndarray | None = None,
    ) -> View:
        """The same view with another image and, where it moved, another box.

        A view whose box moves loses its mask, unless the caller says where the mask is now:
        rotations and warps do not keep the grid.
        """
        if box_xyxy is None:
            return replace(self, image=image)
        return replace(self, image=image, box_xyxy=box_xyxy, box_mask=box_mask)


class ViewTransform(BaseTransform):
    """A random change of single views: parameters are drawn from the group's own generator, then a
    plain function applies them.

    A group is a dictionary with ``views`` (name -> list of :class:`View`), ``view_names`` (all
    names the frame sampler may give; one may be absent from ``views`` in a stage that does not use
    it) and ``rng``, a :class:`numpy.random.Generator` that belongs to this sample alone, so that a
    sample does not depend on the process that makes it.

    Args:
        views: Names of the views to change; each image of a view draws its own parameters.
        prob: Probability of changing an image.

    Raises:
        ValueError: ``prob`` is no probability, or no view is named.
    """

    def __init__(self, views: Sequence[str], prob: float = 1.0) -> None:
        if isinstance(views, str):
            views = (views,)
        if not views or not 0 <= prob <= 1:
            raise ValueError(
                f'{type(self).__name__}: needs views and a probability in [0, 1], got '
                f'views={views}, prob={prob}'
            )
        self.views, self.prob = tuple(views), prob

    def transform(self, results: dict) -> dict:
        """Change the named views; every other entry passes through."""
        return self.change_each(results, lambda view: self._maybe(view, results['rng']))

    def change_each(self, results: dict, change: Callable[[View], View]) -> dict:
        """The group with ``change`` applied to each image of the named views.

        Raises:
            KeyError: The frame sampler knows no such view.
        """
        views = dict(results['views'])
        for name in self.views:
            if name not in results['view_names']:
                raise KeyError(
                    f"{type(self).__name__}: no view '{name}'; the frame sampler gives "
                    f'{list(results["view_names"])}'
                )
            views[name] = [change(view) for view in views.get(name, ())]
        return {**results, 'views': {name: group for name, group in views.items() if group}}

    def _maybe(self, view: View, rng: np.random.Generator) -> View:
        if self.prob < 1 and rng.random() >= self.prob:
            return view
        return self.apply(view, **self.draw(view, rng))

    @abstractmethod
    def draw(self, view: View, rng: np.random.Generator) -> dict[str, Any]:
        """Random parameters of :meth:`apply` for one view."""

    @abstractmethod
    def apply(self, view: View, *args: Any, **parameters: Any) -> View:
        """The changed view; deterministic."""

    def __repr__(self) -> str:
        arguments = ', '.join(f'{key}={value}' for key, value in vars(self).items())
        return f'{type(self).__name__}({arguments})'


class GroupTransform(ViewTransform):
    """A random change of a whole group: its parameters are drawn once, and all named views change
    or none."""

    def transform(self, results: dict) -> dict:
        """Change all named views or none."""
        rng = results['rng']
        if self.prob < 1 and rng.random() >= self.prob:
            return results
        parameters = self.draw_once(rng)
        return self.change_each(results, lambda view: self.apply(view, **parameters))

    def draw(self, view: View, rng: np.random.Generator) -> dict[str, Any]:
        """See :meth:`draw_once`; the view plays no part."""
        return self.draw_once(rng)

    @abstractmethod
    def draw_once(self, rng: np.random.Generator) -> dict[str, Any]:
        """Random parameters of :meth:`apply` for the group."""


def check_range(
    owner: object, name: str, value: Sequence[float], low: float = -np.inf, high: float = np.inf
) -> tuple[float, float]:
    """A pair ``(least, greatest)`` within bounds.

    Raises:
        ValueError: Not two numbers, not ascending, or outside the bounds.
    """
    if len(value) != 2 or not low <= value[0] <= value[1] <= high:
        raise ValueError(
            f'{type(owner).__name__}: {name} must be two ascending numbers in [{low}, {high}], '
            f'got {tuple(value)}'
        )
    return float(value[0]), float(value[1])
