"""Bodies, surfaces and paths of the rendered clips in
:mod:`usot_plugin.datasets.synthetic.clips`."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

#: Fraction of the time between two frames that the shutter is open.
SHUTTER = 0.3

#: ``cv2.fillPoly`` takes coordinates in 1/16 pixel.
SUBPIXEL_BITS = 4

#: Silhouettes are drawn this many times larger and averaged down.
SUPERSAMPLING = 4


def value_noise(
    rng: np.random.Generator, size_wh: tuple[int, int], cells: int, octaves: int = 4
) -> np.ndarray:
    """Smooth noise in [0, 1], ``(H, W)`` float32: random grids of growing density, enlarged and
    added with falling weight."""
    width, height = size_wh
    total = np.zeros((height, width), np.float32)
    for octave in range(octaves):
        columns = cells * 2**octave
        rows = max(2, round(columns * height / width))
        grid = rng.random((rows, columns), np.float32)
        total += cv2.resize(grid, size_wh, interpolation=cv2.INTER_CUBIC) * 0.55**octave
    low = float(total.min())
    high = float(total.max())
    return (total - low) / max(high - low, 1e-6)


def paint_texture(
    rng: np.random.Generator,
    size_wh: tuple[int, int],
    hue: float,
    cells: int,
    contrast: float = 1.0,
) -> np.ndarray:
    """A random surface around one hue (0..1), ``(H, W, 3)`` uint8 BGR: noise between three colours,
    with stripes or dots on it."""
    width, height = size_wh
    hues = (hue + rng.normal(0, 0.05, 3)) % 1
    colors_hsv = np.stack(
        [hues * 179, rng.uniform(70, 220, 3), np.array([60, 135, 215]) * rng.uniform(0.8, 1.2, 3)],
        -1,
    )
    colors = cv2.cvtColor(np.clip(colors_hsv, 0, 255).astype(np.uint8)[None], cv2.COLOR_HSV2BGR)[
        0
    ].astype(np.float32)
    noise = np.clip((value_noise(rng, size_wh, cells) - 0.5) * 1.6 * contrast + 0.5, 0, 1)[
        ..., None
    ]
    image = np.where(
        noise < 0.5,
        colors[0] + (colors[1] - colors[0]) * noise * 2,
        colors[1] + (colors[2] - colors[1]) * (noise * 2 - 1),
    )
    y, x = np.mgrid[:height, :width].astype(np.float32)
    period = width / rng.uniform(4, 9)
    if rng.random() < 0.5:
        angle = rng.uniform(0, np.pi)
        pattern = np.sin((x * np.cos(angle) + y * np.sin(angle)) * 2 * np.pi / period) > 0.4
    else:
        pattern = np.sin(x * 2 * np.pi / period) * np.sin(y * 2 * np.pi / period) > 0.55
    image = image + pattern[..., None] * rng.uniform(-70, 70, 3) * contrast
    return np.clip(image, 0, 255).astype(np.uint8)


def smooth_path(rng: np.random.Generator, frames: int, period: float, waves: int = 3) -> np.ndarray:
    """A smooth curve in [-1, 1], ``(frames,)``: a few sine waves with periods around ``period``
    frames."""
    t = np.arange(frames)
    periods = period * rng.uniform(0.6, 1.8, waves)
    weights = rng.uniform(0.5, 1.0, waves)
    curve = sum(
        w * np.sin(2 * np.pi * t / p + phase)
        for w, p, phase in zip(weights, periods, rng.uniform(0, 2 * np.pi, waves), strict=True)
    )
    return np.asarray(curve) / weights.sum()


@dataclass(frozen=True)
class Body:
    """One layer: its outline around the origin, its surface, and where it is in every frame."""

    outline: np.ndarray  # (K, 2) in units of the radius
    texture: np.ndarray  # (S, S, 3) or one a frame, (T, S, S, 3); covers [-1.3, 1.3] of the radius
    center_xy: np.ndarray  # (T, 2) pixels
    radius_px: np.ndarray  # (T,)
    angle: np.ndarray  # (T,) radians
    stretch: np.ndarray | None = None  # (T,) factor of the width; the height is divided by it

    def matrix(self, t: int) -> np.ndarray:
        """From units of the radius to frame pixels, ``(2, 3)``."""
        c = np.cos(self.angle[t]) * self.radius_px[t]
        s = np.sin(self.angle[t]) * self.radius_px[t]
        stretch = 1.0 if self.stretch is None else float(self.stretch[t])
        return np.array(
            [
                [c * stretch, -s / stretch, self.center_xy[t, 0]],
                [s * stretch, c / stretch, self.center_xy[t, 1]],
            ]
        )

    def surface(self, t: int) -> np.ndarray:
        """Texture of a frame, ``(S, S, 3)``."""
        return self.texture if self.texture.ndim == 3 else self.texture[t]

    def polygon(self, t: int) -> np.ndarray:
        """Outline in frame pixels, ``(K, 2)``."""
        matrix = self.matrix(t)
        return self.outline @ matrix[:, :2].T + matrix[:, 2]


def make_outline(rng: np.random.Generator, aspect: float) -> np.ndarray:
    angle = np.linspace(0, 2 * np.pi, 96, endpoint=False)
    radius = np.ones_like(angle)
    for lobes in (2, 3, 5):
        radius += rng.uniform(-0.12, 0.12) * np.sin(lobes * angle + rng.uniform(0, 2 * np.pi))
    points = (
        np.stack([np.cos(angle) * np.sqrt(aspect), np.sin(angle) / np.sqrt(aspect)], -1)
        * radius[:, None]
    )
    return points / np.abs(points).max()


def sweep_path(
    rng: np.random.Generator, frames: int, reach_xy: np.ndarray, speed: float
) -> np.ndarray:
    """A path ``(frames, 2)`` within ``+-reach_xy`` whose mean speed along an axis is about
    ``speed`` (never a period under 16 frames)."""
    # A long reference path is drawn at one sample per unit of time, then read at the pace that
    # gives the wanted speed.
    length = 4096
    path = np.stack([smooth_path(rng, length, 64), smooth_path(rng, length, 64)], -1) * reach_xy
    pace = min(speed / float(np.abs(np.diff(path, axis=0)).mean()), 4.0)
    times = (rng.uniform(0, length / 4) + pace * np.arange(frames)) % (length - 1)
    return np.stack([np.interp(times, np.arange(length), path[:, axis]) for axis in (0, 1)], -1)


def make_object(
    rng: np.random.Generator,
    frames: int,
    size_wh: tuple[int, int],
    hue: float,
    speed: float,
    scale_change: float,
) -> Body:
    width, height = size_wh
    radius = (
        min(width, height)
        * rng.uniform(0.10, 0.17)
        * np.exp(scale_change * smooth_path(rng, frames, 70))
    )
    reach = np.array([width, height]) * 0.34
    path = sweep_path(rng, frames, reach, speed)
    side = 128
    texture = paint_texture(rng, (side, side), hue, cells=4, contrast=1.3)
    angle = rng.uniform(0, 2 * np.pi) + 0.35 * smooth_path(rng, frames, 60)
    return Body(
        make_outline(rng, rng.uniform(0.7, 1.6)),
        texture,
        path + np.array([width, height]) / 2,
        radius,
        angle,
    )


def make_occluder(
    rng: np.random.Generator, target: Body, camera_xy: np.ndarray, hue: float
) -> Body:
    """Something upright that stands in the scene (it drifts with the background) where the target
    passes."""
    frames = len(camera_xy)
    meet = int(rng.integers(frames // 4, max(frames // 4 + 1, 3 * frames // 4)))
    center = target.center_xy[meet] + camera_xy[meet] - camera_xy
    tall = rng.uniform(1.6, 2.6)
    half_width = rng.uniform(0.3, 0.8) / tall
    outline = np.array([[-half_width, -1], [half_width, -1], [half_width, 1], [-half_width, 1]])
    radius = np.full(frames, float(target.radius_px[meet]) * tall)
    return Body(
        outline,
        paint_texture(rng, (96, 96), hue, cells=3, contrast=0.8),
        center,
        radius,
        np.zeros(frames),
    )


def _blur_kernel(velocity_xy: np.ndarray) -> np.ndarray | None:
    length = float(np.hypot(*velocity_xy)) * SHUTTER
    if length < 0.7:
        return None
    half = int(np.ceil(length / 2))
    kernel = np.zeros((2 * half + 1, 2 * half + 1), np.float32)
    step = velocity_xy / np.hypot(*velocity_xy) * length / 2
    ends = [tuple(int(v) for v in np.round((half + sign * step) * 16)) for sign in (-1, 1)]
    cv2.line(kernel, ends[0], ends[1], 1.0, 1, cv2.LINE_8, SUBPIXEL_BITS)
    return kernel / kernel.sum()


def _silhouette(polygon: np.ndarray, left: int, top: int, width: int, height: int) -> np.ndarray:
    """Covered share of each pixel of a window, ``(height, width)`` float32 in [0, 1]."""
    # OpenCV's own anti-aliasing makes a polygon up to a pixel fatter on each side; drawn enlarged,
    # that shrinks with the factor.
    mask = np.zeros((height * SUPERSAMPLING, width * SUPERSAMPLING), np.uint8)
    # A pixel centre sits at +0.5 in continuous coordinates, at 0 for OpenCV's drawing.
    points = (polygon - (left, top)) * SUPERSAMPLING - 0.5
    cv2.fillPoly(
        mask, [np.round(points * 2**SUBPIXEL_BITS).astype(np.int32)], 255, cv2.LINE_8, SUBPIXEL_BITS
    )
    return cv2.resize(mask, (width, height), interpolation=cv2.INTER_AREA).astype(np.float32) / 255


def draw_body(frame: np.ndarray, body: Body, t: int) -> np.ndarray:
    """Draw a body into ``frame`` in place; returns the pixels it covers by more than half, ``(H,
    W)`` bool."""
    frame_height, frame_width = frame.shape[:2]
    covered = np.zeros((frame_height, frame_width), bool)
    polygon = body.polygon(t)
    velocity = body.center_xy[t] - body.center_xy[max(0, t - 1)]
    pad = 2 + int(np.ceil(np.abs(velocity).max()))
    left, top = (max(0, int(np.floor(v)) - pad) for v in polygon.min(0))
    right, bottom = (
        min(limit, int(np.ceil(v)) + pad)
        for v, limit in zip(polygon.max(0), (frame_width, frame_height), strict=True)
    )
    width, height = right - left, bottom - top
    if width <= 0 or height <= 0:
        return covered
    alpha = _silhouette(polygon, left, top, width, height)
    covered[top:bottom, left:right] = alpha > 0.5
    texture = body.surface(t)
    side = texture.shape[0]
    matrix = body.matrix(t) @ np.array([[2.6 / side, 0, -1.3], [0, 2.6 / side, -1.3], [0, 0, 1]])
    matrix[:, 2] -= (left, top)
    surface = cv2.warpAffine(
        texture, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
    )
    kernel = _blur_kernel(velocity)
    if kernel is not None:
        alpha = cv2.filter2D(alpha, -1, kernel)
        surface = cv2.filter2D(surface, -1, kernel)
    region = frame[top:bottom, left:right]
    region[:] = np.round(region + (surface.astype(np.float32) - region) * alpha[..., None]).astype(
        np.uint8
    )
    return covered
