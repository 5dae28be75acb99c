"""The smoothest path through the candidates of a clip, and a box for every frame of it.

USOT (arXiv:2108.12711), Sec. 3.1 "Box Sequence Generation", Eq. 3 and Algorithm 1 of its
supplement.
"""

from __future__ import annotations

import numpy as np

from ..structures.boxes import centre_penalty, iou
from .config import FillConfig, TrajectoryConfig


def transition_reward(
    a_xyxy: np.ndarray, b_xyxy: np.ndarray, distance_weight: float, negative_factor: float = 1.0
) -> np.ndarray:
    """``R = IoU - weight * d^2 / c^2`` of boxes ``(..., 4)``, times ``negative_factor`` where
    negative.

    Reference:
        USOT (arXiv:2108.12711), Eq. 3.
    """
    reward = iou(a_xyxy, b_xyxy) - distance_weight * centre_penalty(a_xyxy, b_xyxy)
    return np.where(reward < 0, reward * negative_factor, reward)


def _first_links(frames: np.ndarray, starts: np.ndarray, config: TrajectoryConfig) -> np.ndarray:
    """For each frame that has candidates, the first candidate its own may follow, ``(G,)``."""
    first = np.zeros(len(starts), np.int64)
    if config.link_candidates is not None:
        first = np.maximum(first, starts - config.link_candidates)
    if config.link_frames is not None:
        first = np.maximum(
            first, starts[np.maximum(np.arange(len(starts)) - config.link_frames, 0)]
        )
    return first


def best_trajectory(
    boxes_xyxy: np.ndarray, frames: np.ndarray, config: TrajectoryConfig
) -> np.ndarray:
    """Pick at most one candidate per frame so that the sum of rewards is largest.

    ``V(b_i) = max(K, max_j V(b_j) + R(b_j, b_i) + K)`` over the candidates ``j`` of earlier frames
    within reach; the path is followed back from the best end. All rewards into one frame are one
    array operation.

    Args:
        boxes_xyxy: ``(N, 4)`` candidates.
        frames: ``(N,)`` their frames, ascending.
        config: gamma, K, and the reach and least reward of a link.

    Returns:
        Indices of the picked candidates, ``(M,)`` int64 ascending; empty for no candidate. Equal
        sums: the earliest end, the latest predecessor, and rather a predecessor than a fresh start.
    """
    if len(frames) == 0:
        return np.empty(0, np.int64)
    boxes = np.asarray(boxes_xyxy, np.float64)
    starts = np.flatnonzero(np.r_[True, frames[1:] != frames[:-1]])
    ends = np.r_[starts[1:], len(frames)]
    gain = config.pick_reward
    value = np.full(len(frames), gain)
    previous = np.full(len(frames), -1, np.int64)
    for first, start, end in zip(_first_links(frames, starts, config), starts, ends, strict=True):
        if first == start:
            continue
        reward = transition_reward(
            boxes[start:end, None],
            boxes[None, first:start],
            config.distance_weight,
            config.negative_factor,
        )
        if config.min_link_reward is not None:
            reward = np.where(reward < config.min_link_reward, -np.inf, reward)
        through = (value[first:start] + reward + gain)[
            :, ::-1
        ]  # reversed: argmax then gives the latest of equals
        best = through.argmax(1)
        reached = through[np.arange(end - start), best]
        linked = reached >= gain
        value[start:end] = np.where(linked, reached, gain)
        previous[start:end] = np.where(linked, start - 1 - best, -1)
    path = [int(value.argmax())]
    while previous[path[-1]] >= 0:
        path.append(int(previous[path[-1]]))
    return np.array(path[::-1], np.int64)


def fill_boxes(
    picked_xyxy: np.ndarray,
    picked_frames: np.ndarray,
    length: int,
    config: FillConfig,
    frame_per_unit: float = 1.0,
) -> np.ndarray:
    """A box for every frame: linear between picks, the nearest pick before the first and after the
    last.

    Args:
        picked_xyxy: ``(M, 4)``, at least one.
        picked_frames: ``(M,)`` strictly ascending, in ``[0, length)``.
        length: Number of frames.
        config: ``legacy`` swaps the weights of the two picks as the release does; ``end_noise_px``
            moves the repeated boxes.
        frame_per_unit: Box pixels per pixel of the config's unit.

    Returns:
        ``(length, 4)`` float64.
    """
    boxes = np.asarray(picked_xyxy, np.float64)
    position = np.arange(length, dtype=np.float64)
    if config.legacy:
        after = (
            np.searchsorted(picked_frames, position, side='left').clip(1, len(picked_frames) - 1)
            if len(picked_frames) > 1
            else None
        )
        if after is not None:
            between = (
                (position > picked_frames[0])
                & (position < picked_frames[-1])
                & ~np.isin(position, picked_frames)
            )
            position = np.where(
                between, picked_frames[after] + picked_frames[after - 1] - position, position
            )
    filled = np.stack(
        [np.interp(position, picked_frames, boxes[:, axis]) for axis in range(4)], axis=1
    )
    if config.end_noise_px > 0:
        _shake_ends(filled, int(picked_frames[0]), int(picked_frames[-1]), config, frame_per_unit)
    return filled


def _shake_ends(
    filled_xyxy: np.ndarray, first: int, last: int, config: FillConfig, frame_per_unit: float
) -> None:
    """Add uniform noise to the repeated boxes, in place, where the repeated box lies far enough
    from the top left corner."""
    rng = np.random.default_rng(config.seed)
    for part, pick, least in (
        (slice(0, first), first, config.end_noise_min_px[0]),
        (slice(last + 1, None), last, config.end_noise_min_px[1]),
    ):
        noise = (
            rng.uniform(-config.end_noise_px, config.end_noise_px, filled_xyxy[part].shape)
            * frame_per_unit
        )
        if filled_xyxy[pick].min() >= least * frame_per_unit:
            filled_xyxy[part] += noise
