"""Crops that pieces of frames are pasted on, their geometry exact to the sub-pixel.

A piece is a box of a frame; its unit square [-1, 1] is moved into the crop by a ``(2, 2)`` matrix
and a centre. An outline is a closed curve in that square.
"""

from __future__ import annotations

import cv2
import numpy as np


def random_outline(rng: np.random.Generator) -> np.ndarray:
    """A closed curve ``(K, 2)`` that touches all sides of the square [-1, 1]: a wavy
    super-ellipse."""
    angle = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    power = np.exp(rng.uniform(np.log(0.45), np.log(1.2)))
    c = np.cos(angle)
    s = np.sin(angle)
    points = np.stack([np.sign(c) * np.abs(c) ** power, np.sign(s) * np.abs(s) ** power], -1)
    waves = [
        rng.uniform(-0.14, 0.14) * np.sin(k * angle + rng.uniform(0, 2 * np.pi))
        for k in (1, 2, 3, 5)
    ]
    radius = 1 + np.sum(waves, axis=0)
    points = points * radius[:, None]
    low = points.min(0)
    high = points.max(0)
    return (points - (low + high) / 2) / ((high - low) / 2)


def turned_scale(half_wh: np.ndarray, angle: float) -> np.ndarray:
    """``(2, 2)`` from the unit square [-1, 1] to a box of half sides ``half_wh`` turned by
    ``angle`` radians."""
    c = np.cos(angle)
    s = np.sin(angle)
    return np.array([[c, -s], [s, c]]) * half_wh


def box_to_crop(box: np.ndarray, linear: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """``(2, 3)`` from frame pixels to crop pixels: the box's unit square is moved by ``linear``
    around ``centre``."""
    middle, half = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]) / 2
    matrix = linear / half
    # A pixel centre sits at +0.5 in continuous coordinates, at 0 for OpenCV's warp.
    shift = centre - matrix @ (middle - 0.5) - 0.5
    return np.concatenate([matrix, shift[:, None]], 1)


def warp(
    frame: np.ndarray, matrix: np.ndarray, width: int, height: int, border: int, fill: tuple = ()
) -> np.ndarray:
    """``cv2.warpAffine`` that takes the mean of all pixels where the picture shrinks."""
    shrink = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    if shrink < 0.55:  # interpolation between four pixels would skip most of the others
        factor = min(0.5, 1.4 * shrink)
        small = cv2.resize(frame, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
        sx, sy = small.shape[1] / frame.shape[1], small.shape[0] / frame.shape[0]
        linear = matrix[:, :2] / [sx, sy]
        shift = matrix[:, 2] + matrix[:, :2] @ [0.5 / sx - 0.5, 0.5 / sy - 0.5]
        frame, matrix = small, np.concatenate([linear, shift[:, None]], 1)
    return cv2.warpAffine(
        frame, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=border, borderValue=fill
    )


def moved_extent(linear: np.ndarray, centre: np.ndarray, outline: np.ndarray | None) -> np.ndarray:
    """Box of a moved outline; without one, of the ellipse in the unit square."""
    if outline is None:
        half = np.sqrt((linear**2).sum(1))
        return np.concatenate([centre - half, centre + half])
    points = outline @ linear.T + centre
    return np.concatenate([points.min(0), points.max(0)])


class Canvas:
    """A crop that pieces are drawn on, with what is visible of the target."""

    def __init__(self, image: np.ndarray) -> None:
        self.image = image
        self.target: np.ndarray | None = None
        self.target_area = 1.0

    def paste(
        self,
        frame: np.ndarray,
        box: np.ndarray,
        linear: np.ndarray,
        centre: np.ndarray,
        outline: np.ndarray,
        soft: float,
        gain: np.ndarray,
    ) -> tuple[slice, slice, np.ndarray] | None:
        """Draw the piece of ``frame`` whose unit square is ``box``, within ``outline``; returns the
        window it covers and how much."""
        size = self.image.shape[0]
        points = outline @ linear.T + centre
        x1, y1 = np.maximum(np.floor(points.min(0)) - 2, 0).astype(int)
        x2, y2 = np.minimum(np.ceil(points.max(0)) + 2, size).astype(int)
        if x2 - x1 < 3 or y2 - y1 < 3:
            return None
        matrix = box_to_crop(box, linear, centre)
        matrix[:, 2] -= (x1, y1)
        piece = warp(frame, matrix, x2 - x1, y2 - y1, cv2.BORDER_REFLECT_101)
        if not np.allclose(gain, 1):
            piece = np.clip(piece * gain, 0, 255).astype(np.uint8)
        mask = np.zeros((y2 - y1, x2 - x1), np.uint8)
        cv2.fillPoly(
            mask, [np.round((points - 0.5 - (x1, y1)) * 16).astype(np.int32)], 255, cv2.LINE_AA, 4
        )
        alpha = mask.astype(np.float32) * np.float32(1 / 255)
        if soft > 0.3:
            alpha = cv2.GaussianBlur(alpha, (0, 0), soft)
        window = (slice(y1, y2), slice(x1, x2))
        region = self.image[window]
        region[:] = cv2.blendLinear(piece, np.ascontiguousarray(region), alpha, 1 - alpha)
        return (*window, alpha)

    def mark_target(self, drawn: tuple[slice, slice, np.ndarray] | None) -> None:
        """What was drawn now is the target."""
        if drawn is not None:
            self.target = np.zeros(self.image.shape[:2], np.float32)
            self.target[drawn[:2]] = drawn[2]
            self.target_area = max(float(drawn[2].sum()), 1.0)

    def mark_box(self, box: np.ndarray) -> None:
        """The target fills a box of the picture."""
        x1, y1, x2, y2 = np.clip(np.round(box), 0, self.image.shape[0]).astype(int)
        self.target = np.zeros(self.image.shape[:2], np.float32)
        self.target[y1:y2, x1:x2] = 1
        self.target_area = max(float((y2 - y1) * (x2 - x1)), 1.0)

    def cover(self, drawn: tuple[slice, slice, np.ndarray] | None) -> None:
        """What was drawn now lies in front of the target."""
        if drawn is not None and self.target is not None:
            self.target[drawn[:2]] *= 1 - drawn[2]

    @property
    def visible(self) -> float:
        """Visible share of the target."""
        return 0.0 if self.target is None else float(self.target.sum()) / self.target_area
