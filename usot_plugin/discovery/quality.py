"""How far a pseudo track can be trusted, as a whole and frame by frame.

USOT (arXiv:2108.12711), Eqs. 4 and 5, and the corner rules of its release. Borders are those of the
frame without the margin that the flow map loses.
"""

from __future__ import annotations

import numpy as np

from ..structures.pseudo_track import PseudoTrack
from .config import QualityConfig
from .reasons import Reason


def cut_borders(frame_wh: tuple[int, int], margin: float) -> tuple[int, int, int, int]:
    """``x1, y1, x2, y2`` of a picture without a share ``margin`` of each side, in whole pixels.

    Both ends are rounded down, as in the release: where the margin is no whole number, the right
    and the lower one are a pixel wider. At least one pixel stays.
    """
    first = [int(margin * side) for side in frame_wh]
    last = [max(int((1 - margin) * side), at + 1) for side, at in zip(frame_wh, first, strict=True)]
    return first[0], first[1], last[0], last[1]


def frame_quality(evaluated: np.ndarray, picked: np.ndarray, radius_frames: int) -> np.ndarray:
    """Share of picked frames among the evaluated ones within a radius.

    Args:
        evaluated: ``(L,)`` bool.
        picked: ``(L,)`` bool, a subset.
        radius_frames: Frames looked at on each side (T_s of the paper, 3 g in the release).

    Returns:
        ``Q_f``, ``(L,)`` float64; 0 where no frame in reach was evaluated.

    Reference:
        USOT (arXiv:2108.12711), Eq. 5.
    """
    length = len(evaluated)
    low = np.maximum(np.arange(length) - radius_frames, 0)
    high = np.minimum(np.arange(length) + radius_frames + 1, length)
    counts = [np.r_[0, np.cumsum(flags)] for flags in (picked, evaluated)]
    hits, chances = (count[high] - count[low] for count in counts)
    return hits / np.maximum(chances, 1)


def corner_share(
    boxes_xyxy: np.ndarray,
    borders_xyxy: tuple[int, int, int, int],
    tolerance_px: float,
    edge_weight: float,
) -> float:
    """Mean over frames of 1 for a box in a corner, ``edge_weight`` for one at a single border, 0
    for the rest.

    Args:
        boxes_xyxy: ``(L, 4)``.
        borders_xyxy: Frame without margin.
        tolerance_px: A side nearer to a border than this touches it.
        edge_weight: Weight of one border.
    """
    left, top, right, bottom = borders_xyxy
    x1, y1, x2, y2 = np.asarray(boxes_xyxy, np.float64).T
    at_x = (x1 < left + tolerance_px) | (x2 > right - tolerance_px)
    at_y = (y1 < top + tolerance_px) | (y2 > bottom - tolerance_px)
    return float(np.where(at_x & at_y, 1.0, np.where(at_x | at_y, edge_weight, 0.0)).mean())


def centrality(
    boxes_xyxy: np.ndarray, borders_xyxy: tuple[int, int, int, int], cap: float
) -> np.ndarray:
    """Bonus for boxes away from the borders: the gap to the nearer border on each axis as a share
    of the side, capped, summed.

    Args:
        boxes_xyxy: ``(L, 4)``.
        borders_xyxy: Frame without margin.
        cap: Most that one axis gives.

    Returns:
        ``(L,)`` float64 in [0, 2 cap]; a box that reaches over a border gets nothing for that axis.
    """
    left, top, right, bottom = borders_xyxy
    x1, y1, x2, y2 = np.asarray(boxes_xyxy, np.float64).T
    share_x = np.minimum(x1 - left, right - x2) / max(right - left, 1)
    share_y = np.minimum(y1 - top, bottom - y2) / max(bottom - top, 1)
    return np.clip(share_x, 0, cap) + np.clip(share_y, 0, cap)


def sampling_value(track: PseudoTrack, config: QualityConfig) -> float:
    """``Q_v - corner share / 3``, what tracks are ranked by and what theta_1 is held against."""
    return track.sequence_quality - config.corner_discount * track.corner_share


def is_kept(track: PseudoTrack, config: QualityConfig) -> bool:
    """Whether a track is worth keeping at all."""
    return drop_reason(track, config) is None


def is_samplable(track: PseudoTrack, config: QualityConfig) -> bool:
    """Whether a track is kept and also good enough to be sampled for training."""
    return (
        is_kept(track, config)
        and sampling_value(track, config) >= config.sample_min_value
        and track.corner_share < config.sample_max_corner_share
    )


def drop_reason(track: PseudoTrack, config: QualityConfig) -> tuple[Reason, str] | None:
    """Why a track is not kept, and the same in full with the numbers; None for one that is."""
    value = sampling_value(track, config)
    if track.sequence_quality < config.min_sequence_quality:
        reason, given = Reason.SEQUENCE_QUALITY, track.sequence_quality
        return reason, f'{reason} {given:.2f} is below {config.min_sequence_quality:.2f}'
    if track.corner_share > config.max_corner_share:
        reason, given = Reason.CORNER_SHARE, track.corner_share
        return reason, f'{reason} {given:.2f} is above {config.max_corner_share:.2f}'
    if value < config.min_value:
        return Reason.VALUE, f'{Reason.VALUE}, {value:.2f}, is below {config.min_value:.2f}'
    return None
