"""Photometric and geometric changes of single images: plain functions, and registered transforms
that draw their parameters.

Ranges and probabilities of the defaults are those of the USOT release (template: flips,
perspective, dropout, salt and pepper; search: hue and saturation, brightness, motion blur; memory:
flips, perspective and the three of search). What its library draws within them and we do not is
said in the classes.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from ...registry import TRANSFORMS
from .view import GroupTransform, View, ViewTransform, check_range

#: Hue of OpenCV's 8-bit HSV counts half degrees.
HUE_STEPS = 180


def flip_view(view: View, axis: str) -> View:
    """Mirror at the vertical ('horizontal' flip) or horizontal middle line; a box side at x goes to
    W - x."""
    height, width = view.image.shape[:2]
    x1, y1, x2, y2 = view.box_xyxy
    if axis == 'horizontal':
        mask = None if view.box_mask is None else view.box_mask[:, ::-1]
        return view.updated(
            cv2.flip(view.image, 1), np.array([width - x2, y1, width - x1, y2]), mask
        )
    mask = None if view.box_mask is None else view.box_mask[::-1]
    return view.updated(cv2.flip(view.image, 0), np.array([x1, height - y2, x2, height - y1]), mask)


def warp_view(view: View, corners_xy: np.ndarray) -> View:
    """Stretch the quadrangle ``corners_xy`` ``(4, 2)`` (top left, top right, bottom right, bottom
    left; continuous pixels) over the image.

    The box becomes the rectangle around its four warped corners.
    """
    height, width = view.image.shape[:2]
    target = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    matrix = cv2.getPerspectiveTransform(np.asarray(corners_xy, np.float32), target)
    # warpPerspective counts from pixel centres; continuous coordinates lie half a pixel beside
    # them.
    half = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
    centred = np.linalg.inv(half) @ matrix @ half
    fill = tuple(int(v) for v in view.fill)
    image = cv2.warpPerspective(
        view.image,
        centred,
        (width, height),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=fill,
    )
    x1, y1, x2, y2 = view.box_xyxy
    points = np.array([[[x1, y1], [x2, y1], [x2, y2], [x1, y2]]])
    warped = cv2.perspectiveTransform(points, matrix)[0]
    return view.updated(image, np.concatenate([warped.min(0), warped.max(0)]))


def drop_cells(image: np.ndarray, dropped: np.ndarray) -> np.ndarray:
    """Black out the cells of a coarse grid ``(rows, columns)`` bool laid over the image."""
    mask = cv2.resize(
        dropped.astype(np.uint8), (image.shape[1], image.shape[0]), interpolation=cv2.INTER_NEAREST
    )
    return np.where(mask[..., None] > 0, np.uint8(0), image)


def salt_and_pepper(image: np.ndarray, pixels: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Replace single pixels: ``pixels`` ``(K,)`` are flat indices, ``values`` ``(K,)`` their grey
    values."""
    noisy = image.copy()
    noisy.reshape(-1, 3)[pixels] = values[:, None]
    return noisy


def scale_hue_saturation(image: np.ndarray, hue: float, saturation: float) -> np.ndarray:
    """Multiply hue (around the circle) and saturation (clipped) of a BGR image."""
    steps = np.arange(256)
    hue_table = (np.round(steps * hue) % HUE_STEPS).astype(np.uint8)
    saturation_table = np.clip(np.round(steps * saturation), 0, 255).astype(np.uint8)
    h, s, v = cv2.split(cv2.cvtColor(image, cv2.COLOR_BGR2HSV))
    return cv2.cvtColor(
        cv2.merge([cv2.LUT(h, hue_table), cv2.LUT(s, saturation_table), v]), cv2.COLOR_HSV2BGR
    )


def scale_brightness(image: np.ndarray, factor: float) -> np.ndarray:
    """Multiply all channels and clip."""
    return cv2.LUT(image, np.clip(np.round(np.arange(256) * factor), 0, 255).astype(np.uint8))


def motion_blur(image: np.ndarray, kernel_px: int, angle_deg: float) -> np.ndarray:
    """Average along a line of ``kernel_px`` pixels."""
    line = np.zeros((kernel_px, kernel_px), np.float32)
    line[kernel_px // 2] = 1
    middle = (kernel_px - 1) / 2
    kernel = cv2.warpAffine(
        line, cv2.getRotationMatrix2D((middle, middle), angle_deg, 1), (kernel_px, kernel_px)
    )
    return cv2.filter2D(image, -1, kernel / kernel.sum())


@TRANSFORMS.register_module()
class ViewFlip(ViewTransform):
    """Mirror image and box.

    Args:
        views: Names of the views.
        prob: Probability; the release has 0.4 horizontally and 0.2 vertically.
        axis: 'horizontal' (left and right change places) or 'vertical'.
    """

    def __init__(self, views: Sequence[str], prob: float = 0.4, axis: str = 'horizontal') -> None:
        super().__init__(views, prob)
        if axis not in ('horizontal', 'vertical'):
            raise ValueError(f"ViewFlip: axis is 'horizontal' or 'vertical', got {axis!r}")
        self.axis = axis

    def draw(self, view: View, rng: np.random.Generator) -> dict:
        return {}

    def apply(self, view: View) -> View:
        return flip_view(view, self.axis)


@TRANSFORMS.register_module()
class ViewPerspective(ViewTransform):
    """Look at the image from a slightly different side: its corners move inwards by random amounts,
    and what is left fills the image.

    Args:
        views: Names of the views.
        prob: Probability.
        scale: A corner moves by ``|N(0, sigma)|`` of the side on each axis, sigma drawn from this
            range for each image (release: 0.01-0.07 for templates, 0.01-0.15 for memory).
    """

    #: No corner comes closer to the middle than this share of the side.
    LIMIT = 0.4

    def __init__(
        self, views: Sequence[str], prob: float = 1.0, scale: Sequence[float] = (0.01, 0.07)
    ) -> None:
        super().__init__(views, prob)
        self.scale = check_range(self, 'scale', scale, 0, 0.5)

    def draw(self, view: View, rng: np.random.Generator) -> dict:
        height, width = view.image.shape[:2]
        inward = np.minimum(np.abs(rng.normal(0, rng.uniform(*self.scale), (4, 2))), self.LIMIT) * (
            width,
            height,
        )
        corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], float)
        signs = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]])
        return {'corners_xy': corners + signs * inward}

    def apply(self, view: View, corners_xy: np.ndarray) -> View:
        return warp_view(view, corners_xy)


@TRANSFORMS.register_module()
class ViewCoarseDropout(ViewTransform):
    """Black out random rectangles, in all channels (the release: in half of the images each channel
    by itself).

    Args:
        views: Names of the views.
        prob: Probability.
        share: Range of the probability of each cell to be dropped (release: up to 5 %).
        cells: Least and greatest number of cells along each axis of the grid (release: 19 on 127
            px).
    """

    def __init__(
        self,
        views: Sequence[str],
        prob: float = 1.0,
        share: Sequence[float] = (0.0, 0.05),
        cells: Sequence[int] = (4, 16),
    ) -> None:
        super().__init__(views, prob)
        self.share = check_range(self, 'share', share, 0, 1)
        self.cells = check_range(self, 'cells', cells, 1)

    def draw(self, view: View, rng: np.random.Generator) -> dict:
        rows, columns = rng.integers(int(self.cells[0]), int(self.cells[1]) + 1, 2)
        return {'dropped': rng.random((rows, columns)) < rng.uniform(*self.share)}

    def apply(self, view: View, dropped: np.ndarray) -> View:
        return view.updated(drop_cells(view.image, dropped)) if dropped.any() else view


@TRANSFORMS.register_module()
class ViewSaltPepper(ViewTransform):
    """Replace single pixels by light and dark grey ones (the release: each channel by itself).

    Args:
        views: Names of the views.
        prob: Probability.
        share: Range of the share of pixels (release: 5 %).
    """

    def __init__(
        self, views: Sequence[str], prob: float = 1.0, share: Sequence[float] = (0.05, 0.05)
    ) -> None:
        super().__init__(views, prob)
        self.share = check_range(self, 'share', share, 0, 1)

    def draw(self, view: View, rng: np.random.Generator) -> dict:
        count = view.image.shape[0] * view.image.shape[1]
        pixels = rng.integers(0, count, int(round(count * rng.uniform(*self.share))))
        # Salt is anything from mid-grey up, pepper anything below: most mass at the ends.
        values = np.round(255 * rng.beta(0.5, 0.5, len(pixels))).astype(np.uint8)
        return {'pixels': pixels, 'values': values}

    def apply(self, view: View, pixels: np.ndarray, values: np.ndarray) -> View:
        return view.updated(salt_and_pepper(view.image, pixels, values))


@TRANSFORMS.register_module()
class ViewHueSaturation(ViewTransform):
    """Multiply hue and saturation.

    Args:
        views: Names of the views.
        prob: Probability.
        hue: Range of the factor on the hue.
        saturation: Range of the factor on the saturation.
    """

    def __init__(
        self,
        views: Sequence[str],
        prob: float = 1.0,
        hue: Sequence[float] = (0.5, 1.5),
        saturation: Sequence[float] = (0.5, 1.5),
    ) -> None:
        super().__init__(views, prob)
        self.hue, self.saturation = (
            check_range(self, 'hue', hue, 0),
            check_range(self, 'saturation', saturation, 0),
        )

    def draw(self, view: View, rng: np.random.Generator) -> dict:
        return {'hue': rng.uniform(*self.hue), 'saturation': rng.uniform(*self.saturation)}

    def apply(self, view: View, hue: float, saturation: float) -> View:
        return view.updated(scale_hue_saturation(view.image, hue, saturation))


@TRANSFORMS.register_module()
class GroupGray(GroupTransform):
    """Take the colour out of a whole group, as from a gray camera: all its images or none.

    Args:
        views: Names of the views.
        prob: Probability.
    """

    def draw_once(self, rng: np.random.Generator) -> dict:
        return {}

    def apply(self, view: View) -> View:
        gray = cv2.cvtColor(view.image, cv2.COLOR_BGR2GRAY)
        return view.updated(cv2.cvtColor(gray, cv2.COLOR_GRAY2BGR))


@TRANSFORMS.register_module()
class ViewBrightness(ViewTransform):
    """Multiply the brightness.

    Args:
        views: Names of the views.
        prob: Probability.
        factor: Range of the factor.
    """

    def __init__(
        self, views: Sequence[str], prob: float = 1.0, factor: Sequence[float] = (0.5, 1.5)
    ) -> None:
        super().__init__(views, prob)
        self.factor = check_range(self, 'factor', factor, 0)

    def draw(self, view: View, rng: np.random.Generator) -> dict:
        return {'factor': rng.uniform(*self.factor)}

    def apply(self, view: View, factor: float) -> View:
        return view.updated(scale_brightness(view.image, factor))


@TRANSFORMS.register_module()
class ViewMotionBlur(ViewTransform):
    """Blur evenly along any direction.

    The release blurs along one of two directions, 60 degrees to the left or right of the vertical,
    with weights that rise or fall along the line by a random amount.

    Args:
        views: Names of the views.
        prob: Probability.
        kernel: Least and greatest length of the line in pixels, odd lengths only.
    """

    def __init__(
        self, views: Sequence[str], prob: float = 1.0, kernel: Sequence[int] = (3, 9)
    ) -> None:
        super().__init__(views, prob)
        low, high = check_range(self, 'kernel', kernel, 1)
        self.lengths = np.arange(int(low) | 1, int(high) + 1, 2)
        if not len(self.lengths):
            raise ValueError(f'ViewMotionBlur: no odd length in {tuple(kernel)}')

    def draw(self, view: View, rng: np.random.Generator) -> dict:
        return {'kernel_px': int(rng.choice(self.lengths)), 'angle_deg': rng.uniform(0, 180)}

    def apply(self, view: View, kernel_px: int, angle_deg: float) -> View:
        return view.updated(motion_blur(view.image, kernel_px, angle_deg))
