"""The stretch around each frame in which the pseudo boxes follow one object without a jump.

USOT (arXiv:2108.12711), Eq. 7, walked as its release does.
"""

from __future__ import annotations

import numpy as np

from .config import FragmentsConfig
from .trajectory_dp import transition_reward


def _walkable_steps(passable: np.ndarray, step: int) -> np.ndarray:
    """How many steps in a row can be walked to the right from each frame.

    Args:
        passable: ``(L - step,)`` bool, whether one can step from ``t`` to ``t + step``.
        step: Length of a step in frames.

    Returns:
        ``(L,)`` int64.
    """
    length = len(passable) + step
    rows = -(-length // step)
    # Frames that a walk can reach share a column; below the last frame everything is closed.
    closed = np.ones(rows * step, bool)
    closed[: len(passable)] = ~passable
    row = np.arange(rows)[:, None]
    next_closed = np.where(closed.reshape(rows, step), row, rows)
    next_closed = np.minimum.accumulate(next_closed[::-1], axis=0)[::-1]
    return (next_closed - row).reshape(-1)[:length]


def fragment_bounds(
    boxes_xyxy: np.ndarray, quality: np.ndarray, config: FragmentsConfig
) -> tuple[np.ndarray, np.ndarray]:
    """First and last frame of every frame's fragment.

    From frame ``t`` the walk goes left and right in steps of ``step``, while neighbours have a
    reward of at least theta_2 and the frame stepped onto has ``Q_f > theta_3``. A frame inside its
    predecessor's fragment inherits that fragment.

    Args:
        boxes_xyxy: ``(L, 4)``.
        quality: ``Q_f``, ``(L,)``.
        config: Step, reach, theta_2, theta_3 and trim.

    Returns:
        ``T_l`` and ``T_u`` (inclusive), each ``(L,)`` int32, counted from the first box; ``T_l <=
        T_u``, and ``t`` between them.
    """
    length, step = len(boxes_xyxy), config.step
    frames = np.arange(length)
    if length > step:
        boxes = np.asarray(boxes_xyxy, np.float64)
        smooth = (
            transition_reward(boxes[:-step], boxes[step:], config.distance_weight)
            >= config.min_reward
        )
        good = np.asarray(quality) > config.min_quality
        to_right = _walkable_steps(smooth & good[step:], step)
        to_left = _walkable_steps((smooth & good[:-step])[::-1], step)[::-1]
    else:
        to_right = to_left = np.zeros(length, np.int64)
    # Right: strictly nearer than the reach; left: up to it. The release has this asymmetry.
    lower = frames - step * np.minimum(to_left, config.reach // step)
    upper = frames + step * np.minimum(to_right, (config.reach - 1) // step)
    lower = np.minimum(lower + config.trim, frames)
    upper = np.maximum(upper - config.trim, frames)
    return _inherit(lower, upper)


def _inherit(lower: np.ndarray, upper: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give every frame inside the fragment of a leading frame that frame's bounds; one turn of the
    loop per fragment."""
    first = lower.astype(np.int32)
    last = upper.astype(np.int32)
    leader = 0
    while leader < len(first):
        end = int(upper[leader]) + 1
        first[leader:end], last[leader:end] = lower[leader], upper[leader]
        leader = end
    return first, last
