"""From what a tracker saw of a pseudo track to better boxes: where to start it, and how its passes
become one track again.

Self-training (re-labelling by the tracker that the last round has trained); nothing here runs a
tracker, see :mod:`usot_plugin.self_training.relabel`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from ..discovery.config import DiscoveryConfig
from ..discovery.fragments import fragment_bounds
from ..discovery.motion_map import map_geometry
from ..discovery.multi_object import overlap_of_smaller
from ..discovery.quality import centrality, corner_share, cut_borders, frame_quality
from ..structures.boxes import iou, is_valid
from ..structures.pseudo_track import PseudoTrack


@dataclass(frozen=True)
class RelabelConfig:
    """The numbers of re-labelling; they travel in the metadata of the table.

    Attributes:
        step_frames: The tracker sees every ``step_frames``-th frame; boxes of the others are
            interpolated.
        anchor_gap_frames: One start per so many frames of a track.
        horizon_frames: How far the tracker goes from a start, in each direction.
        min_anchor_quality: Least frame quality of a start.
        min_agreement: IoU that the way back needs with the way there.
        min_quality: A frame whose boxes are worth less has none in the new table.
        old_weight: Weight of the old box, times its frame quality, among the tracked ones, which
            weigh at most 1.
        min_support: Least share of the picked old boxes within ``support_frames`` on each side of a
            frame that lie on the new boxes (half of the smaller box). A tracker agrees with itself
            on still ground, too; that something moves there is what discovery saw.
        support_frames: See above.
        min_fragment_frames: Stretches of frames with boxes that are shorter than this are dropped.

    Raises:
        ValueError: A value is impossible; the message names it.
    """

    step_frames: int = 3
    anchor_gap_frames: int = 40
    horizon_frames: int = 40
    min_anchor_quality: float = 0.4
    min_agreement: float = 0.5
    min_quality: float = 0.3
    old_weight: float = 0.25
    min_support: float = 0.3
    support_frames: int = 15
    min_fragment_frames: int = 10

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            least, most = (0, 1) if isinstance(value, float) else (1, None)
            if value < least or (most is not None and value > most):
                raise ValueError(
                    f're-labelling: {name} must be '
                    f'{f"{least} or more" if most is None else f"in [{least}, {most}]"}, got '
                    f'{value}'
                )

    def to_dict(self) -> dict[str, Any]:
        """Plain values that JSON can hold."""
        return asdict(self)


@dataclass(frozen=True)
class Pass:
    """One way of the tracker from a start, and its way back.

    Attributes:
        start: Frame of the clip that it started in.
        frames: ``(N,)`` int64 frames of the clip that it should have come to, the start first,
            ascending or descending.
        boxes_xyxy: ``(N, 4)`` the way there (in the start's frame: the way back), nan after the
            target was lost.
        scores: ``(N,)`` confidence of the way there.
        agreement: ``(N,)`` IoU of the way back with it; 0 where the way back did not come.
    """

    start: int
    frames: np.ndarray
    boxes_xyxy: np.ndarray
    scores: np.ndarray
    agreement: np.ndarray


class Sightings(NamedTuple):
    """What ``N`` passes say of one frame.

    Attributes:
        boxes_xyxy: ``(N, 4)`` tracked boxes, nan where the target was lost.
        weights: ``(N,)`` confidence x agreement x nearness.
        agreement: ``(N,)`` of the way back.
        nearness: ``(N,)`` share of the weight that is left at this distance from the start.
    """

    boxes_xyxy: np.ndarray
    weights: np.ndarray
    agreement: np.ndarray
    nearness: np.ndarray


def grid_frames(track: PseudoTrack, step_frames: int) -> np.ndarray:
    """Frames of the clip that the tracker sees of a track: all multiples of the step, the same for
    all tracks of a clip."""
    first = -(-track.first_frame // step_frames) * step_frames
    return np.arange(first, track.first_frame + len(track), step_frames)


def choose_anchors(track: PseudoTrack, config: RelabelConfig) -> np.ndarray:
    """Frames to start the tracker in: the best of each stretch of ``anchor_gap_frames``.

    Best is the highest frame quality plus centrality, less how far (in factors of e) the box's
    sides are from their median over the stretch; frames that the trajectory went through
    (``picked``) go before interpolated ones.

    Returns:
        Frames of the clip, ascending; empty where no frame is good enough.
    """
    grid = grid_frames(track, config.step_frames)
    at = grid - track.first_frame
    boxes = np.asarray(track.boxes_xyxy, np.float64)[at]
    usable = is_valid(boxes) & (track.frame_quality[at] >= config.min_anchor_quality)
    grid, at, boxes = grid[usable], at[usable], boxes[usable]
    log_wh = np.log(boxes[:, 2:] - boxes[:, :2])
    stretch = (grid - track.first_frame) // config.anchor_gap_frames
    anchors = []
    for number in np.unique(stretch):
        of = np.flatnonzero(stretch == number)
        odd_size = np.abs(log_wh[of] - np.median(log_wh[of], axis=0)).sum(1)
        score = (
            track.frame_quality[at[of]] + track.centrality[at[of]] - odd_size + track.picked[at[of]]
        )
        anchors.append(grid[of[np.argmax(score)]])
    return np.asarray(anchors, np.int64)


def relabelled_track(
    track: PseudoTrack,
    passes: Sequence[Pass],
    config: RelabelConfig,
    discovery: DiscoveryConfig,
    frame_wh: tuple[int, int],
) -> PseudoTrack | None:
    """The track that the passes of a tracker make of another.

    A frame's box is the mean of the boxes that agree (:func:`fuse_frame`), its quality is what all
    passes that reached the frame say of it together. ``evaluated`` are the frames that the tracker
    saw, ``picked`` those that got a box; boxes that the check rejects are nan with quality 0. Masks
    are not carried over: they lie on the grids of the old boxes.

    Args:
        track: The old one.
        passes: From its anchors.
        config: Of re-labelling.
        discovery: Of the table: borders, fragments.
        frame_wh: Size of the frames.

    Returns:
        The new track over the same frames; None where no frame has a box.
    """
    grid = grid_frames(track, config.step_frames)
    boxes = np.full((len(track), 4), np.nan)
    quality = np.zeros(len(track))
    for frame, seen in _by_frame(passes, _usual_score(passes), config).items():
        at = frame - track.first_frame
        old = track.boxes_xyxy[at].astype(np.float64)
        boxes[at], quality[at] = fuse_frame(
            seen, old, config.old_weight * float(track.frame_quality[at]), config.min_agreement
        )
    bad = (quality < max(config.min_quality, 1e-6)) | (
        _support(track, boxes, config.support_frames) < config.min_support
    )
    boxes[bad], quality[bad] = np.nan, 0.0
    picked = ~bad
    _fill_between(boxes, quality, grid - track.first_frame)
    _drop_short(boxes, quality, picked, config.min_fragment_frames)
    valid = is_valid(boxes)
    if not valid.any():
        return None
    evaluated = np.zeros(len(track), bool)
    evaluated[grid - track.first_frame] = True
    borders = cut_borders(frame_wh, discovery.map.margin)
    tolerance = (
        discovery.quality.corner_tolerance_px * map_geometry(frame_wh, discovery.map).frame_per_unit
    )
    with np.errstate(invalid='ignore'):
        # Q_f counts picks and this quality does not, so theta_3 has no meaning here: a frame with a
        # box may be walked over.
        first, last = fragment_bounds(boxes, quality, replace(discovery.fragments, min_quality=0.0))
        central = np.where(valid, centrality(boxes, borders, discovery.quality.centrality_cap), 0.0)
    return replace(
        track,
        boxes_xyxy=boxes.astype(np.float32),
        evaluated=evaluated,
        picked=picked,
        frame_quality=quality.astype(np.float32),
        centrality=central.astype(np.float32),
        fragment_first=(first + track.first_frame).astype(np.int32),
        fragment_last=(last + track.first_frame).astype(np.int32),
        sequence_quality=float(picked.sum() / evaluated.sum()),
        corner_share=corner_share(boxes[valid], borders, tolerance, discovery.quality.edge_weight),
        mask_runs=None,
    )


def fuse_frame(
    seen: Sightings, old_xyxy: np.ndarray, old_weight: float, min_agreement: float
) -> tuple[np.ndarray, float]:
    """One box from what several passes say of a frame.

    The tracked box with the most support (sum over all boxes of weight x IoU) leads; what overlaps
    it by half or more, the old box included, is averaged by weight, so that a pass on another
    object, or an old box on one, counts nothing.

    Args:
        seen: By the passes.
        old_xyxy: ``(4,)`` box that the frame had.
        old_weight: Its weight.
        min_agreement: A pass that agrees with its way back by less has failed.

    Returns:
        The box ``(4,)``, nan where every pass has failed; and its quality in [0, 1], the mean over
        all passes, weighted by nearness, of confidence x agreement x IoU with the box, failed
        passes counting 0.
    """
    held = seen.agreement >= min_agreement
    if not held.any():
        return np.full(4, np.nan), 0.0
    good, good_weights = seen.boxes_xyxy[held], np.maximum(seen.weights[held], 1e-9)
    if is_valid(old_xyxy):
        good = np.concatenate([good, old_xyxy[None]])
        good_weights = np.append(good_weights, old_weight)
    overlaps = iou(good[: held.sum(), None], good[None])
    leader = np.argmax(overlaps @ good_weights)
    members = overlaps[leader] >= 0.5
    fused = np.average(good[members], axis=0, weights=good_weights[members])
    worth = np.where(held, seen.weights * iou(seen.boxes_xyxy, fused[None]), 0.0)
    return fused, float(worth.sum() / seen.nearness.sum())


def _support(track: PseudoTrack, boxes_xyxy: np.ndarray, radius_frames: int) -> np.ndarray:
    """Share of the old picks around each frame that lie on the new boxes, ``(L,)``; 0 where there
    is none to ask."""
    asked = track.picked & is_valid(track.boxes_xyxy) & is_valid(boxes_xyxy)
    held = np.zeros(len(track), bool)
    held[asked] = (
        overlap_of_smaller(track.boxes_xyxy[asked].astype(np.float64), boxes_xyxy[asked]) >= 0.5
    )
    return frame_quality(asked, held, radius_frames)


def _usual_score(passes: Sequence[Pass]) -> float:
    """What this tracker's confidence is where it goes well on this clip: scores of different
    methods have different scales."""
    scores = np.concatenate([one.scores[1:] for one in passes]) if passes else np.zeros(0)
    return max(float(np.quantile(scores, 0.8)), 1e-6) if len(scores) else 1.0


def _by_frame(passes: Sequence[Pass], usual: float, config: RelabelConfig) -> dict[int, Sightings]:
    """All passes, frame by frame."""
    if not passes:
        return {}
    frames = np.concatenate([one.frames for one in passes])
    distance = np.concatenate([np.abs(one.frames - one.start) for one in passes])
    nearness = 0.5 ** (distance / config.horizon_frames)
    agreement = np.concatenate([one.agreement for one in passes])
    confidence = np.clip(np.concatenate([one.scores for one in passes]) / usual, 0, 1)
    columns = (
        np.concatenate([one.boxes_xyxy for one in passes]),
        confidence * agreement * nearness,
        agreement,
        nearness,
    )
    return {
        int(frame): Sightings(*(column[frames == frame] for column in columns))
        for frame in np.unique(frames)
    }


def _fill_between(boxes: np.ndarray, quality: np.ndarray, grid: np.ndarray) -> None:
    """Interpolate between neighbouring frames of the grid that both have a box, in place; the worse
    quality holds between them.

    Boxes that do not overlap are of two objects, and nothing lies between them.
    """
    for left, right in zip(grid[:-1], grid[1:], strict=True):
        if quality[left] > 0 and quality[right] > 0 and iou(boxes[left], boxes[right]) > 0:
            for at in range(left + 1, right):
                share = (at - left) / (right - left)
                boxes[at] = (1 - share) * boxes[left] + share * boxes[right]
                quality[at] = min(quality[left], quality[right])


def _drop_short(
    boxes: np.ndarray, quality: np.ndarray, picked: np.ndarray, least_frames: int
) -> None:
    """Take out stretches of frames with boxes that are shorter than ``least_frames``, in place."""
    edges = np.flatnonzero(np.diff(np.r_[False, quality > 0, False].astype(np.int8)))
    for start, stop in zip(edges[::2], edges[1::2], strict=True):
        if stop - start < least_frames:
            boxes[start:stop], quality[start:stop], picked[start:stop] = np.nan, 0.0, False
