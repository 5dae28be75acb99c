"""How a pair of crops may differ in light and sharpness."""

from __future__ import annotations

import functools

import cv2
import numpy as np

#: Places that the window of noise is drawn from, on each axis.
NOISE_MARGIN = 64


def change_light(
    rng: np.random.Generator,
    low_resolution: float,
    gray: float,
    template: np.ndarray,
    search: np.ndarray,
) -> list[np.ndarray]:
    """Light, colour, sharpness and noise of two crops ``(S, S, 3)`` uint8: some of it shared by
    both, some of each.

    Args:
        rng: All chance comes from it.
        low_resolution: Probability that both are seen through fewer pixels.
        gray: Probability that both are gray.
        template: One crop.
        search: The other, which is moved by the camera's shutter, too.
    """
    images: list[np.ndarray] = [template, search]
    if rng.random() < low_resolution:
        factor = np.exp(rng.uniform(np.log(1.3), np.log(5)))
        for view, image in enumerate(images):
            side = max(16, round(image.shape[0] / factor / np.exp(rng.uniform(-0.15, 0.15))))
            small = cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA)
            images[view] = cv2.resize(small, image.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    if rng.random() < 0.08:
        order = rng.permutation(3)
        images = [np.ascontiguousarray(image[..., order]) for image in images]
    colourless = rng.random() < gray
    levels = np.arange(256, dtype=np.float32) / 255
    for view, image in enumerate(images):
        if colourless or rng.random() < 0.35:
            flat = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
            share = 1.0 if colourless else rng.uniform(-0.4, 0.9)
            image = cv2.addWeighted(flat, share, image, 1 - share, 0)
        if rng.random() < 0.75:
            gamma = np.exp(rng.normal(0, 0.22))
            gain = np.exp(rng.normal(0, 0.2))
            lift = rng.normal(0, 0.06)
            cast = np.exp(rng.normal(0, 0.07, 3))
            curves = ((levels[:, None] ** gamma - 0.5) * gain + 0.5 + lift) * cast
            image = cv2.LUT(image, np.clip(curves * 255, 0, 255).astype(np.uint8)[None])
        if view == 1 and rng.random() < 0.25:
            image = cv2.filter2D(image, -1, _motion_kernel(rng))
        elif rng.random() < 0.15:
            image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.5, 2.0))
        if rng.random() < 0.15:
            y, x = rng.integers(0, NOISE_MARGIN, 2)
            noise = _noise(image.shape[0])[y : y + image.shape[0], x : x + image.shape[1]]
            image = np.clip(image + noise * np.float32(rng.uniform(2, 14)), 0, 255).astype(np.uint8)
        if rng.random() < 0.08:
            image = _recompressed(image, int(rng.integers(20, 70)))
        images[view] = image
    return images


@functools.cache
def _noise(size: int) -> np.ndarray:
    """Normal noise that crops of ``size`` are given a random window of: drawing it anew would cost
    more than all else."""
    return np.random.default_rng(size).standard_normal(
        (size + NOISE_MARGIN, size + NOISE_MARGIN, 3), np.float32
    )


def _recompressed(image: np.ndarray, quality: int) -> np.ndarray:
    decoded = cv2.imdecode(
        cv2.imencode('.jpg', image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_COLOR
    )
    assert decoded is not None  # what was just encoded
    return np.asarray(decoded)


def _motion_kernel(rng: np.random.Generator) -> np.ndarray:
    side = 2 * int(rng.integers(1, 6)) + 1
    kernel = np.zeros((side, side), np.float32)
    direction = rng.normal(0, 1, 2)
    direction *= (side // 2) / np.abs(direction).max()
    ends = [tuple(int(v) for v in np.round(side // 2 + sign * direction)) for sign in (-1, 1)]
    cv2.line(kernel, ends[0], ends[1], 1.0)
    return kernel / kernel.sum()
