"""What a run over many clips shows: one bar on a terminal, plain lines in a log, a summary at the
end."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TextIO

from usot_plugin.utils.progress import ProgressLines, clock, counted

from ..reasons import FAILED_REASONS
from ..table.format import DROPPED, KEPT, SKIPPED
from ..table.parts import FinishedClip
from .one_clip import ClipResult


@dataclass
class Tally:
    """Counts over the clips of one run.

    Attributes:
        total: Clips this run is about.
        status: Clips by status.
        reasons: Clips by ``(status, reason)`` where they were not kept.
        tracks: Trajectories kept.
        samplable_tracks: Trajectories good enough for training.
        samplable: Clips with at least one of those.
        earlier: Clips that an earlier run had finished; they are in all other counts too.
        frames: Frames of the clips of this run (not of earlier ones) that could be read.
        failed: Clips that could not be read.
    """

    total: int
    status: Counter = field(default_factory=Counter)
    reasons: Counter = field(default_factory=Counter)
    tracks: int = 0
    samplable_tracks: int = 0
    samplable: int = 0
    earlier: int = 0
    frames: int = 0
    failed: int = 0
    started: float = field(default_factory=time.perf_counter)

    @property
    def done(self) -> int:
        """Clips that are finished, by this run or an earlier one."""
        return sum(self.status.values())

    @property
    def frames_per_second(self) -> float:
        """Video frames of this run per wall-clock second."""
        return self.frames / max(time.perf_counter() - self.started, 1e-9)

    def add(self, result: ClipResult) -> None:
        """Count a clip of this run."""
        self._count(result.status, result.reason, result.kept, result.samplable)
        self.frames += result.frames

    def add_finished(self, clip: FinishedClip) -> None:
        """Count a clip of an earlier run."""
        self._count(clip.status, clip.reason, clip.kept, clip.samplable)
        self.earlier += 1

    def _count(self, status: str, reason: str, kept: int, samplable: int) -> None:
        self.status[status] += 1
        if status != KEPT:
            self.reasons[status, reason] += 1
        self.tracks += kept
        self.samplable_tracks += samplable
        self.samplable += samplable > 0
        self.failed += reason in FAILED_REASONS

    def summary(self) -> str:
        """Several lines for people."""
        seconds = time.perf_counter() - self.started
        done = max(self.done, 1)
        lines = [
            f'{self.done} of {self.total} clips in {clock(seconds)}, '
            f'{self.frames} frames, {self.frames / max(seconds, 1e-9):.0f} frames/s'
            + (f'; {self.earlier} were finished by an earlier run' if self.earlier else ''),
            f'  kept       {self.status[KEPT]:6d}  ({self.status[KEPT] / done:.1%}), '
            f'{counted(self.tracks, "object")}',
            f'  samplable  {self.samplable:6d}  ({self.samplable / done:.1%}), '
            f'{counted(self.samplable_tracks, "object")}',
        ]
        for status in (DROPPED, SKIPPED):
            lines.append(
                f'  {status:9s}  {self.status[status]:6d}  ({self.status[status] / done:.1%})'
            )
            lines += [
                f'    {reason:24s} {n:6d}'
                for (of, reason), n in sorted(self.reasons.items(), key=lambda i: -i[1])
                if of == status
            ]
        return '\n'.join(lines)


class Progress(ProgressLines):
    """The display of a discovery.

    Args:
        total: Number of clips.
        stream: See :class:`ProgressLines`.
        quiet: No line for clips in which nothing moves, and no progress.
    """

    def __init__(self, total: int, stream: TextIO | None = None, quiet: bool = False) -> None:
        super().__init__(total, 'clip', stream, quiet)
        self.tally = Tally(total)

    def finished_before(self, clip: FinishedClip) -> None:
        """Count a clip of an earlier run."""
        self.tally.add_finished(clip)
        self.skip()

    def add(self, result: ClipResult) -> None:
        """Count and show a clip of this run."""
        self.tally.add(result)
        if result.traceback:
            self.line(result.traceback.rstrip())
        if result.status == SKIPPED and not (self._quiet and result.reason not in FAILED_REASONS):
            detail = (
                result.detail if result.clip in result.detail else f'{result.clip}: {result.detail}'
            )
            self.line(
                f'skipped {detail}'
                if result.reason in detail
                else f'skipped {detail} [{result.reason}]'
            )
        elif result.notes:
            self.line(f'{result.status} {result.clip}, though {result.notes}')
        self.advance(self._state())

    def _state(self) -> str:
        tally = self.tally
        skipped = ', '.join(
            f'{n} {reason}'
            for (status, reason), n in tally.reasons.most_common()
            if status == SKIPPED
        )
        text = (
            f'{tally.frames_per_second:.0f} frames/s, {counted(tally.tracks, "object")}, '
            f'{tally.status[DROPPED]} dropped'
        )
        return f'{text}, skipped: {skipped}' if skipped else text
