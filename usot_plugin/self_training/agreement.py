"""A score that needs no annotation: how well a tracker agrees with itself, there and back, on
objects that move."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from usot_plugin.discovery.multi_object import overlap_of_smaller
from usot_plugin.discovery.table.reading import PseudoBoxRow, PseudoBoxTable
from usot_plugin.self_training.relabelling import (
    Pass,
    RelabelConfig,
    choose_anchors,
    grid_frames,
)
from usot_plugin.structures import PseudoTrack, open_clip
from usot_plugin.structures.boxes import is_valid
from usot_plugin.tracking import Tracker

from .passes import Start, can_start, there_and_back

#: Share of the smaller box by which a tracked box has to lie on the discovered one.
ON_OBJECT = 0.5


@dataclass(frozen=True)
class Target:
    """A discovered object to follow, from its best frame.

    Attributes:
        clip: Name of the clip in the table.
        path: Where the clip lies.
        track: Its discovered boxes.
        start: First frame, first box and last frame of the way there.
    """

    clip: str
    path: str
    track: PseudoTrack
    start: Start


def choose_targets(
    table: PseudoBoxTable, count: int, step_frames: int = 2, horizon_frames: int = 60
) -> list[Target]:
    """The best discovered object of each clip, from the frame that leaves the longest way.

    Args:
        table: Of discovery.
        count: Clips at most, those with the best trajectories.
        step_frames: The tracker sees every ``step_frames``-th frame.
        horizon_frames: Longest way, in frames of the clip.

    Returns:
        At most ``count`` targets; none of a clip where no box can start a tracker.
    """
    config = RelabelConfig(step_frames=step_frames, horizon_frames=horizon_frames)
    found = [(row, row.track) for row in table.samplable()]
    pairs = [(row, track) for row, track in found if track is not None]
    pairs.sort(key=lambda pair: (-pair[1].sequence_quality, pair[0].clip))
    targets: dict[str, Target] = {}
    for row, track in pairs:
        if len(targets) == count:
            break
        start = None if row.clip in targets else _longest_way(row, track, config)
        if start is not None:
            targets[row.clip] = Target(row.clip, row.path, track, start)
    return list(targets.values())


def _longest_way(row: PseudoBoxRow, track: PseudoTrack, config: RelabelConfig) -> Start | None:
    """From one of the good frames of a trajectory, forward or backward in time."""
    grid, ways = grid_frames(track, config.step_frames), []
    for anchor in choose_anchors(track, config).tolist():
        box = np.asarray(track.boxes_xyxy[anchor - track.first_frame], np.float64)
        if not can_start(box, (row.width, row.height)):
            continue
        near = grid[np.abs(grid - anchor) <= config.horizon_frames]
        ways += [Start(anchor, box, int(near[-1])), Start(anchor, box, int(near[0]))]
    ways = [way for way in ways if way.until != way.frame]
    return max(ways, key=lambda way: abs(way.until - way.frame), default=None)


def follow_target(tracker: Tracker, target: Target, step_frames: int = 2) -> Pass:
    """The tracker's way from the start of a target, and how well the way back agrees with it.

    Raises:
        ClipError: The clip cannot be read any more.
    """
    return there_and_back(tracker, open_clip(target.path), [target.start], step_frames)[0]


def confirmed_agreement(seen: Pass, track: PseudoTrack) -> float:
    """Mean overlap of the way there with the way back, as far as it lies on what moves.

    A tracker agrees with itself on still ground, too. Where discovery has picked a box, a tracked
    box that does not hold it, or lie in it, by half of the smaller one counts 0. A frame that the
    tracker did not come to counts 0 as well; the frame of the start does not count.

    Args:
        seen: The way of a tracker along ``track``.
        track: Discovered boxes of the clip's frames.

    Returns:
        A value in [0, 1].
    """
    at = seen.frames[1:] - track.first_frame
    tracked = seen.boxes_xyxy[1:]
    found = np.asarray(track.boxes_xyxy, np.float64)[at]
    asked = track.picked[at] & is_valid(found) & is_valid(tracked)
    agreement = np.where(is_valid(tracked), seen.agreement[1:], 0.0)
    away = np.zeros(len(at), bool)
    away[asked] = overlap_of_smaller(tracked[asked], found[asked]) < ON_OBJECT
    agreement[away] = 0.0
    return float(agreement.mean())


@dataclass(frozen=True)
class Difference:
    """Scores of two trackers on the same targets.

    Attributes:
        before: Mean of the first.
        after: Mean of the second.
        error: Standard error of the mean difference over targets; nan for a single one.
    """

    before: float
    after: float
    error: float

    @property
    def verdict(self) -> str:
        """``'better'`` or ``'worse'`` where the difference is over twice its error,
        ``'unclear'``."""
        gain = self.after - self.before
        if not abs(gain) > 2 * self.error:  # nan: one target proves nothing
            return 'unclear'
        return 'better' if gain > 0 else 'worse'


def difference_of(before: Sequence[float], after: Sequence[float]) -> Difference:
    """Compare two trackers target by target.

    Args:
        before: Scores of the first tracker, at least one.
        after: Of the second, in the same order.
    """
    gains = np.subtract(after, before)
    error = float(gains.std(ddof=1) / np.sqrt(len(gains))) if len(gains) > 1 else float('nan')
    return Difference(float(np.mean(before)), float(np.mean(after)), error)
