"""From one clip to its pseudo tracks: flow, candidates, trajectory, quality, fragments.

A pure function of the frames and the config: no file is written, nothing is remembered. Of the
frames only the few that the longest flow interval spans are in memory at a time, so a long video
needs no more than a short one.

Reference:
    Zheng et al., Learning to Track Objects from Unlabeled Videos (USOT, ICCV 2021,
    arXiv:2108.12711), Sec. 3.1.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from ..structures.box_masks import grid_from_mask, grid_to_runs
from ..structures.boxes import clip_boxes
from ..structures.clip import Clip
from ..structures.pseudo_track import PseudoTrack
from .candidates import candidate_boxes, motion_mask_of
from .config import CandidatesConfig, DiscoveryConfig, FramesConfig
from .flow import FlowEstimator, build_flow
from .fragments import fragment_bounds
from .motion_map import MapGeometry, adapt_interval, distance_map, map_boxes_to_frame, map_geometry
from .multi_object import link_objects
from .quality import centrality, corner_share, cut_borders, frame_quality, sampling_value
from .reasons import Reason
from .trajectory_dp import fill_boxes


class NoMovingObjectError(RuntimeError):
    """Nothing in a clip moves against its background, or the clip cannot show it.

    A normal outcome; the text says why in full.

    Attributes:
        reason: Why, as one of a few.
    """

    def __init__(self, text: str, reason: Reason = Reason.NO_MOVING_OBJECT) -> None:
        super().__init__(text)
        self.reason = reason


@dataclass(frozen=True)
class Observation:
    """What flow tells about one window.

    Attributes:
        start: First frame of the window in the clip.
        length: Its number of frames.
        evaluated: ``(E,)`` int64, frames on which flow was computed, counted from ``start``.
        boxes_xyxy: ``(N, 4)`` float64 candidates in pixels of the full frame.
        frames: ``(N,)`` int64 their frames, ascending, counted from ``start``.
        mask_runs: ``N`` run lengths of their motion masks; None where masks are not stored.
    """

    start: int
    length: int
    evaluated: np.ndarray
    boxes_xyxy: np.ndarray
    frames: np.ndarray
    mask_runs: list[np.ndarray] | None = None


def window_spans(frame_count: int, config: FramesConfig) -> list[tuple[int, int]]:
    """Windows ``[start, stop)`` of a clip.

    Window ``k`` starts at ``k * window`` and runs on into the next by ``window_overlap`` frames.
    The last one ends with the clip and starts early enough to be as long as the others, so no
    window is too short to judge.
    """
    total = frame_count if config.max_count is None else min(frame_count, config.max_count)
    if config.window is None or total <= config.window + config.window_overlap:
        return [(0, total)]
    length = config.window + config.window_overlap
    starts = list(range(0, total - length, config.window)) + [total - length]
    return [(start, start + length) for start in starts]


def evaluated_frames(length: int, gap: int) -> np.ndarray:
    """Frames g, 2g, 3g ...

    that have at least g frames after them in a window of ``length`` frames."""
    return np.arange(gap, length - gap, gap)


def _with_neighbours(
    clip: Clip,
    start: int,
    evaluated: np.ndarray,
    stop: int,
    reach: int,
    size_wh: tuple[int, int],
    estimator: FlowEstimator,
) -> Iterator[tuple[int, dict[int, np.ndarray]]]:
    """Each evaluated frame with all frames within the reach of flow, decoded once and in order."""
    stream = clip.iter_frames(start, stop, size_wh=size_wh, gray=estimator.color == 'gray')
    held: dict[int, np.ndarray] = {}
    behind = reach if estimator.needs_before else 0
    for frame in evaluated.tolist():
        while max(held, default=-1) < min(frame + reach, stop - start - 1):
            index, image = next(stream)
            held[index - start] = np.ascontiguousarray(image)
        held = {index: image for index, image in held.items() if index >= frame - behind}
        yield frame, held


@dataclass(frozen=True)
class FrameEvidence:
    """What flow tells about one evaluated frame.

    Attributes:
        frame: Index in the window.
        interval: Frames to the second frame of the flow, ``T_f``.
        flow_uv: ``(H, W, 2)`` float32 in map pixels, margin included.
        distance: ``D``, ``(H - 2 cut_y, W - 2 cut_x)`` float32.
        boxes_xyxy: ``(N, 4)`` float64 candidates in pixels of the full frame.
        mask_runs: ``N`` run lengths of their motion masks; empty where masks are not stored.
    """

    frame: int
    interval: int
    flow_uv: np.ndarray
    distance: np.ndarray
    boxes_xyxy: np.ndarray
    mask_runs: tuple[np.ndarray, ...] = ()


def watch(
    clip: Clip,
    start: int,
    stop: int,
    config: DiscoveryConfig,
    estimator: FlowEstimator,
    geometry: MapGeometry,
) -> Iterator[FrameEvidence]:
    """The evidence of every evaluated frame among ``start <= t < stop``, in order.

    Raises:
        ClipError: A frame cannot be decoded.
    """
    length = stop - start
    evaluated = evaluated_frames(length, config.frames.eval_gap)
    interval = config.interval.start
    for frame, held in _with_neighbours(
        clip, start, evaluated, stop, config.interval.max, geometry.map_wh, estimator
    ):
        known: dict[tuple[int, int], np.ndarray] = {}

        def flow_over(
            gap: int, frame: int = frame, held: dict = held, known: dict = known
        ) -> np.ndarray:
            # Near the ends of the window several intervals mean the same frames: their flow is
            # computed once.
            pair = max(frame - gap, 0), min(frame + gap, length - 1)
            key = pair if estimator.needs_before else (0, pair[1])
            if key not in known:
                known[key] = estimator.flow(
                    held[frame], held[pair[1]], held[pair[0]] if estimator.needs_before else None
                )
            return known[key]

        flow_uv, interval = adapt_interval(flow_over, interval, config.interval, geometry.unit_xy)
        distance = distance_map(flow_uv, geometry)
        found = candidate_boxes(distance, config.candidates, geometry.unit_xy)
        masks = (
            tuple(_mask_runs(box, distance, config.candidates) for box in found)
            if config.store_masks
            else ()
        )
        yield FrameEvidence(
            frame, interval, flow_uv, distance, map_boxes_to_frame(found, geometry), masks
        )


def _mask_runs(box_xyxy: np.ndarray, distance: np.ndarray, config: CandidatesConfig) -> np.ndarray:
    mask = motion_mask_of(box_xyxy, distance, config)
    return grid_to_runs(grid_from_mask(mask, (0, 0, mask.shape[1], mask.shape[0])))


def observe(
    clip: Clip,
    start: int,
    stop: int,
    config: DiscoveryConfig,
    estimator: FlowEstimator,
    geometry: MapGeometry,
) -> Observation:
    """Candidates of the frames ``start <= t < stop`` of a clip.

    Raises:
        ClipError: A frame cannot be decoded.
    """
    boxes: list[np.ndarray] = []
    runs: list[np.ndarray] = []
    for evidence in watch(clip, start, stop, config, estimator, geometry):
        boxes.append(evidence.boxes_xyxy)
        runs += evidence.mask_runs
    evaluated = evaluated_frames(stop - start, config.frames.eval_gap)
    counts = [len(found) for found in boxes]
    candidates = np.concatenate(boxes) if boxes else np.empty((0, 4))
    masks = runs if config.store_masks else None
    return Observation(
        start, stop - start, evaluated, candidates, np.repeat(evaluated, counts), masks
    )


def build_track(
    seen: Observation, picks: np.ndarray, config: DiscoveryConfig, geometry: MapGeometry
) -> PseudoTrack:
    """The pseudo track of one trajectory.

    Args:
        seen: Candidates of the window.
        picks: Indices of the picked ones, ascending, at least one.
        config: Fill, quality and fragment settings.
        geometry: Frame size and unit.

    Returns:
        The track over the whole window, or (``objects.trim_ends``) from one gap before its first
        pick to one gap after its last; ``object_id`` 0.
    """
    picked_frames = seen.frames[picks]
    first, stop = 0, seen.length
    if config.objects.trim_ends:
        first = max(0, int(picked_frames[0]) - config.frames.eval_gap)
        stop = min(seen.length, int(picked_frames[-1]) + config.frames.eval_gap + 1)
    length = stop - first
    filled = fill_boxes(
        seen.boxes_xyxy[picks], picked_frames - first, length, config.fill, geometry.frame_per_unit
    )
    boxes = clip_boxes(filled, *geometry.frame_wh)
    evaluated = np.zeros(length, bool)
    picked = np.zeros(length, bool)
    evaluated[seen.evaluated[(seen.evaluated >= first) & (seen.evaluated < stop)] - first] = True
    picked[picked_frames - first] = True
    quality = frame_quality(evaluated, picked, config.quality.radius * config.frames.eval_gap)
    fragment_first, fragment_last = fragment_bounds(boxes, quality, config.fragments)
    borders = cut_borders(geometry.frame_wh, config.map.margin)
    offset = seen.start + first
    mask_runs: list[np.ndarray] | None = None
    if seen.mask_runs is not None:
        mask_runs = [np.zeros(0, np.int32)] * length
        for pick, frame in zip(picks.tolist(), picked_frames.tolist(), strict=True):
            mask_runs[frame - first] = seen.mask_runs[pick]
    return PseudoTrack(
        object_id=0,
        first_frame=offset,
        boxes_xyxy=boxes.astype(np.float32),
        evaluated=evaluated,
        picked=picked,
        frame_quality=quality.astype(np.float32),
        centrality=centrality(boxes, borders, config.quality.centrality_cap).astype(np.float32),
        fragment_first=(fragment_first + offset).astype(np.int32),
        fragment_last=(fragment_last + offset).astype(np.int32),
        sequence_quality=float(picked.sum() / evaluated.sum()),
        corner_share=corner_share(
            boxes,
            borders,
            config.quality.corner_tolerance_px * geometry.frame_per_unit,
            config.quality.edge_weight,
        ),
        mask_runs=mask_runs,
    )


def frames_needed(config: DiscoveryConfig) -> int:
    """The fewest frames in which motion can be seen: one evaluated frame with a gap before and
    after it."""
    return 2 * config.frames.eval_gap + 1


def _check_clip(
    clip: Clip, config: DiscoveryConfig, estimator: FlowEstimator, geometry: MapGeometry
) -> None:
    needed = frames_needed(config)
    if clip.frame_count < needed:
        raise NoMovingObjectError(
            f'too short: {clip.frame_count} frame{"s" if clip.frame_count != 1 else ""}, '
            f'{needed} are needed to see motion '
            f'every {config.frames.eval_gap} frames',
            Reason.TOO_SHORT,
        )
    if min(geometry.map_wh) < estimator.min_side_px:
        raise NoMovingObjectError(
            f'too small: {clip.size_wh[0]}x{clip.size_wh[1]} pixels leave '
            f'{geometry.map_wh[0]}x{geometry.map_wh[1]} for flow, '
            f'which needs {estimator.min_side_px} on each side',
            Reason.TOO_SMALL,
        )


def discover(
    clip: Clip, config: DiscoveryConfig | None = None, estimator: FlowEstimator | None = None
) -> list[PseudoTrack]:
    """The moving objects of one clip.

    Args:
        clip: The clip.
        config: The numbers; defaults where left out.
        estimator: A flow estimator that is already built, for callers with many clips; otherwise
            ``config.flow`` is built.

    Returns:
        Tracks, best first by ``Q_v - corner share / 3``; ``object_id`` is the place in this list,
        so clip and ``object_id`` together are unique. There is one track per window and object.
        Tracks that :func:`~usot_plugin.discovery.quality.is_kept` would drop are among them. The
        same clip and config always give the same tracks.

    Raises:
        NoMovingObjectError: No candidate in the whole clip, or a clip too short or too small to
            have any.
        ClipError: A frame cannot be decoded.
        ValueError: ``config.flow`` cannot be built.
    """
    config = config or DiscoveryConfig()
    estimator = estimator or build_flow(config.flow)
    geometry = map_geometry(clip.size_wh, config.map)
    _check_clip(clip, config, estimator, geometry)
    tracks: list[PseudoTrack] = []
    evaluated = candidates = 0
    for start, stop in window_spans(clip.frame_count, config.frames):
        seen = observe(clip, start, stop, config, estimator, geometry)
        evaluated = evaluated + len(seen.evaluated)
        candidates = candidates + len(seen.frames)
        tracks += [
            build_track(seen, picks, config, geometry)
            for picks in link_objects(seen.boxes_xyxy, seen.frames, config)
        ]
    if not tracks:
        if candidates:
            raise NoMovingObjectError(
                f'no trajectory of at least {config.objects.min_picks} picks among {candidates} '
                'candidate boxes'
            )
        raise NoMovingObjectError(
            f'nothing moves against the background in any of {evaluated} evaluated frames'
        )
    tracks.sort(key=lambda track: (-sampling_value(track, config.quality), track.first_frame))
    return [replace(track, object_id=rank) for rank, track in enumerate(tracks)]
