"""Which frames of a track make one training group."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

import numpy as np

from usot_plugin.registry import TASK_UTILS

from ..track import Track

#: Training stages of USOT: single frames, then cycles through memory frames.
STAGES = ('naive', 'cycle')

#: A track of quality 0 would ask for infinitely many draws.
LEAST_QUALITY = 0.05


class NoFrameError(ValueError):
    """A track has no frame that the sampler can use."""


class FrameSampler(ABC):
    """Chooses frames; the first frame of the first view is the one a box is found in when no boxes
    are known.

    Attributes:
        view_names: All views that :meth:`draw` may give.
        view_counts: Number of frames of each view, where it is known beforehand; None where it is
            not.
        first_with_mask: Nothing is drawn from a track in which no frame has a mask.
    """

    view_names: tuple[str, ...]
    first_with_mask: bool = False
    view_counts: Mapping[str, int] | None = None

    def set_epoch(self, epoch: int) -> None:  # noqa: B027  (most samplers draw the same way in every epoch)
        """Draw for this epoch, counted from 0, from now on."""

    @abstractmethod
    def draw(self, track: Track, rng: np.random.Generator, stage: str) -> dict[str, list[int]]:
        """Frames of the clip for each view, for example ``{'template': [5], 'search': [5],
        'memory': [1, 9]}``.

        Raises:
            NoFrameError: The track has too few usable frames.
        """


@TASK_UTILS.register_module()
class QualityFrames(FrameSampler):
    """USOT's draw: the best of a few random frames, and memory frames of the same smooth passage.

    ``int(draws / Q_v)`` frames are drawn with replacement, the best score wins. Template and search
    are the same frame, unless told otherwise.

    Args:
        memory: Number of memory frames ``N_mem`` (cycle stage).
        extra_memory: This many more are drawn; the ``memory`` farthest from the template stay.
        draws: See above.
        naive_centrality: Naive score = frame quality + this * centrality.
        cycle_centrality: Cycle score = frame quality + this * centrality ...
        cycle_fragment: ... + this * (T_u - T_l) / length of the track.
        search_gap_frames: The search area is another frame of the template's passage, at most this
            many away. 0 in USOT, whose boxes do not reach that far; supervised trackers take up to
            100.

    Reference:
        USOT Sec. 3.2 and 3.3; the weights and counts come from its release.
    """

    view_names = ('template', 'search', 'memory')

    def __init__(
        self,
        memory: int = 4,
        extra_memory: int = 3,
        draws: int = 3,
        naive_centrality: float = 2 / 3,
        cycle_centrality: float = 1 / 2,
        cycle_fragment: float = 1 / 2,
        search_gap_frames: int = 0,
    ) -> None:
        if memory < 1 or extra_memory < 0 or draws < 1 or search_gap_frames < 0:
            raise ValueError(
                f'QualityFrames: got memory={memory}, extra_memory={extra_memory}, '
                f'draws={draws}, search_gap_frames={search_gap_frames}'
            )
        self.search_gap_frames = search_gap_frames
        self.memory, self.extra_memory, self.draws = memory, extra_memory, draws
        self.naive_centrality = naive_centrality
        self.cycle_centrality = cycle_centrality
        self.cycle_fragment = cycle_fragment

    def scores(self, track: Track, frames: np.ndarray, stage: str) -> np.ndarray:
        """Score of each frame of the clip, ``(N,)``; zeros for a track without boxes."""
        if track.frame_quality is None or track.centrality is None:
            return np.zeros(len(frames))
        at = frames - track.first_frame
        if stage == 'naive':
            return track.frame_quality[at] + self.naive_centrality * track.centrality[at]
        score = track.frame_quality[at] + self.cycle_centrality * track.centrality[at]
        if track.fragment_first is None or track.fragment_last is None:
            return score
        return (
            score
            + self.cycle_fragment
            * (track.fragment_last[at] - track.fragment_first[at])
            / track.length
        )

    def draw(self, track: Track, rng: np.random.Generator, stage: str) -> dict[str, list[int]]:
        usable = track.usable_frames()
        if not len(usable):
            raise NoFrameError(f'{track.clip}: no usable frame')
        # Rounded first: tables keep float32, and 3 / float32(0.6) is a little below 5.
        count = max(1, int(round(self.draws / max(track.sequence_quality, LEAST_QUALITY), 5)))
        drawn = rng.choice(usable, count)
        template = int(drawn[np.argmax(self.scores(track, drawn, stage))])
        views = {
            'template': [template],
            'search': [self._draw_search(track, usable, template, rng)],
        }
        if stage == 'cycle':
            views['memory'] = self._draw_memory(track, usable, template, rng)
        return views

    def _draw_search(
        self, track: Track, usable: np.ndarray, template: int, rng: np.random.Generator
    ) -> int:
        """The search frame; the template's own where there is no other."""
        if not self.search_gap_frames:
            return template
        first, last = track.fragment(template)
        first = max(first, template - self.search_gap_frames)
        last = min(last, template + self.search_gap_frames)
        pool = usable[(usable >= first) & (usable <= last)]
        return int(rng.choice(pool)) if len(pool) else template

    def _draw_memory(
        self, track: Track, usable: np.ndarray, template: int, rng: np.random.Generator
    ) -> list[int]:
        """The memory frames, ascending (a video is decoded forward)."""
        first, last = track.fragment(template)
        pool = usable[(usable >= first) & (usable <= last)]
        if not len(pool):
            raise NoFrameError(
                f'{track.clip}: no usable frame in the passage {first}..{last} around frame '
                f'{template}'
            )
        if len(pool) < self.memory:
            drawn = rng.choice(
                pool, self.memory
            )  # a passage shorter than the memory repeats frames
        else:
            drawn = rng.choice(pool, min(self.memory + self.extra_memory, len(pool)), replace=False)
        farthest = np.argsort(-np.abs(drawn - template), kind='stable')[: self.memory]
        return sorted(drawn[farthest].tolist())


@TASK_UTILS.register_module()
class WindowFrames(FrameSampler):
    """A few different frames within a short window, in order of time.

    Serves three frames within ten (UDT), the hops of a cycle (CycleSiam) and single images
    (``count=1``, S2SiamFC).

    Args:
        count: Number of frames.
        span: They lie within this many consecutive frames.
        views: Positions among the drawn frames for each view.
        first_with_mask: The first frame is one whose mask is known (CycleSiam+).

    Reference:
        UDT (arXiv:1904.01828), Sec. 3.3: three frames within ten.
    """

    def __init__(
        self,
        count: int = 3,
        span: int = 10,
        views: Mapping[str, Sequence[int]] | None = None,
        first_with_mask: bool = False,
    ) -> None:
        views = {'frames': range(count)} if views is None else views
        positions = [p for group in views.values() for p in group]
        if count < 1 or span < count or not positions or not all(0 <= p < count for p in positions):
            raise ValueError(
                f'WindowFrames: got count={count}, span={span}, '
                f'views={ {k: list(v) for k, v in views.items()} }'
            )
        self.count, self.span, self.first_with_mask = count, span, first_with_mask
        self.views = {name: list(group) for name, group in views.items()}
        self.view_names = tuple(self.views)
        self.view_counts = {name: len(group) for name, group in self.views.items()}

    def draw(self, track: Track, rng: np.random.Generator, stage: str) -> dict[str, list[int]]:
        usable = track.usable_frames()
        # Starts whose window holds enough usable frames.
        ends = np.searchsorted(usable, usable + self.span)
        starts = np.flatnonzero(ends - np.arange(len(usable)) >= self.count)
        if self.first_with_mask:
            starts = starts[np.isin(usable[starts], track.masked_frames())]
        if not len(starts):
            masked = ', the first with a mask' if self.first_with_mask else ''
            raise NoFrameError(
                f'{track.clip}: no {self.count} usable frames within {self.span}{masked}'
            )
        start = int(rng.choice(starts))
        if self.first_with_mask:
            later = (
                rng.choice(np.arange(start + 1, ends[start]), self.count - 1, replace=False)
                if self.count > 1
                else np.zeros(0, int)
            )
            chosen = np.concatenate([[start], np.sort(later)])
        else:
            chosen = np.sort(rng.choice(np.arange(start, ends[start]), self.count, replace=False))
        frames = usable[chosen].tolist()
        return {name: [frames[p] for p in group] for name, group in self.views.items()}
