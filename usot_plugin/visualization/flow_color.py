"""Optical flow as colour: direction is hue, speed is how far it is from white."""

from __future__ import annotations

import cv2
import numpy as np


def flow_to_color(flow_uv: np.ndarray, full_px: float | None = None) -> np.ndarray:
    """Flow on the colour wheel.

    Args:
        flow_uv: ``(H, W, 2)``, pixels to the right and downwards.
        full_px: Speed that gets a full colour, faster ones too; the 99th percentile by default.

    Returns:
        ``(H, W, 3)`` uint8 RGB; white where nothing moves, red to the right, and clockwise from
        there as the hue turns.
    """
    u, v = cv2.split(np.asarray(flow_uv, np.float32))
    speed, angle = cv2.cartToPolar(u, v, angleInDegrees=True)
    full = full_px if full_px is not None else float(np.percentile(speed, 99))
    share = np.clip(speed / max(full, 1e-6), 0, 1)
    hsv = cv2.merge([angle, share, np.ones_like(share) - 0.15 * share])
    return np.round(255 * cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)).astype(np.uint8)


def color_wheel(side_px: int) -> np.ndarray:
    """The legend of :func:`flow_to_color`, ``(side_px, side_px, 4)`` uint8 RGBA, transparent
    outside the disc."""
    axis = np.linspace(-1, 1, side_px, dtype=np.float32)
    flow_uv = np.stack(np.meshgrid(axis, axis), axis=-1)
    inside = np.hypot(flow_uv[..., 0], flow_uv[..., 1]) <= 1
    return np.dstack([flow_to_color(flow_uv, 1.0), np.where(inside, 255, 0).astype(np.uint8)])
