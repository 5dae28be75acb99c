"""Which moments of a target's past stay in memory.

The queue is bounded: its size depends on ``N_q``, never on the video's length."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

EntryT = TypeVar('EntryT')

#: Score the first frame counts with among the history (USOT release).
FIRST_SCORE = 0.9

RULES = ('segments', 'top_scores', 'legacy')


@dataclass(frozen=True)
class Moment(Generic[EntryT]):
    """One remembered frame.

    Attributes:
        frame: Frames since initialisation; 0 is the first frame.
        score: Confidence of the prediction.
        entry: What is remembered (encoded features).
    """

    frame: int
    score: float
    entry: EntryT


def merge_multiplicity(entries: Iterable[EntryT]) -> list[tuple[EntryT, int]]:
    """Equal entries (same object) once, with the number of times each stands in the queue, in order
    of first appearance."""
    counted: dict[int, list] = {}
    for entry in entries:
        counted.setdefault(id(entry), [entry, 0])[1] += 1
    return [(entry, count) for entry, count in counted.values()]


def check_options(size: int, rule: str) -> None:
    """Refuse options that no queue can have.

    Raises:
        ValueError: Less than four entries, or an unknown rule.
    """
    if size < 4:
        raise ValueError(f'a memory queue holds at least 4 entries, got {size} (memory_size)')
    if rule not in RULES:
        raise ValueError(f'memory rule must be one of {RULES}, got {rule!r} (memory_rule)')


@dataclass(frozen=True)
class MemoryQueue(Generic[EntryT]):
    """First frame, its mirror image, a history and the latest frame: ``N_q`` entries in all.

    Rules for the history of ``N_q - 3`` entries:

    * ``'segments'``: the highest score in each of ``N_q - 3`` equal time segments (what the USOT
      release means to do). The past is kept in at most ``4 (N_q - 3)`` buckets of equal length;
      when they run out, neighbours are merged and the better one of each pair stays, so that a
      segment's border is exact to one bucket.
    * ``'top_scores'``: the highest scores so far (the paper's wording).
    * ``'legacy'``: what the release really does because of a stray factor in an index: once five
      frames are known, the best of the history fills one place and the latest frame all the others.

    Instances are immutable; :meth:`push` returns the next queue.

    Args:
        first: Entry of the first frame.
        mirrored: Entry of the mirrored first frame.
        size: ``N_q``, at least 4.
        rule: One of :data:`RULES`.

    Reference:
        USOT, Sec. 4.1 and Table 7.
    """

    first: EntryT
    mirrored: EntryT
    size: int = 7
    rule: str = 'segments'
    latest: Moment[EntryT] | None = None
    past: tuple[Moment[EntryT], ...] = ()
    bucket_frames: int = 1

    def __post_init__(self) -> None:
        check_options(self.size, self.rule)

    @property
    def history_size(self) -> int:
        """Entries between the mirrored first frame and the latest."""
        return self.size - 3

    @property
    def frames(self) -> int:
        """Frames seen, the first included."""
        return 1 if self.latest is None else self.latest.frame + 1

    def push(self, entry: EntryT, score: float) -> MemoryQueue[EntryT]:
        """The queue after one more frame."""
        moment = Moment(self.frames, score, entry)
        previous = self.latest or Moment(0, FIRST_SCORE, self.first)
        past, bucket = self._remember(previous)
        return replace(self, latest=moment, past=past, bucket_frames=bucket)

    def _remember(self, moment: Moment[EntryT]) -> tuple[tuple[Moment[EntryT], ...], int]:
        past, bucket = self.past, self.bucket_frames
        if self.rule == 'legacy':
            best = moment if not past or moment.score > past[0].score else past[0]
            return (best,), bucket
        if self.rule == 'top_scores':
            ranked = sorted((*past, moment), key=lambda m: (-m.score, m.frame))
            return tuple(ranked[: self.history_size]), bucket
        past = _merge_buckets((*past, moment), bucket)
        while len(past) > 4 * self.history_size:
            bucket *= 2
            past = _merge_buckets(past, bucket)
        return past, bucket

    def entries(self) -> list[EntryT]:
        """The ``N_q`` entries, repeated where the past is still short."""
        if self.latest is None:
            return [self.first, self.mirrored] + [self.first] * (self.size - 2)
        if self.rule == 'legacy':
            history = self._legacy_history()
        elif self.rule == 'top_scores':
            chosen = [moment.entry for moment in self.past]
            history = chosen + [chosen[0]] * (self.history_size - len(chosen))
        else:
            history = self._segment_history()
        return [self.first, self.mirrored, *history, self.latest.entry]

    def _segment_history(self) -> list[EntryT]:
        assert self.latest is not None
        length = self.latest.frame / self.history_size
        history = []
        for segment in range(self.history_size):
            inside = [
                m
                for m in self.past
                if segment * length
                <= _bucket_centre(m, self.bucket_frames)
                < (segment + 1) * length
            ]
            # A segment shorter than a bucket can be empty: its nearest moment stands in.
            middle = (segment + 0.5) * length
            best = (
                max(inside, key=lambda m: m.score)
                if inside
                else min(self.past, key=lambda m: abs(m.frame + 0.5 - middle))
            )
            history.append(best.entry)
        return history

    def _legacy_history(self) -> list[EntryT]:
        assert self.latest is not None
        seen = self.frames
        if seen == 2:
            return [self.first] * self.history_size
        # While the history is shorter than its places, the release's indices also hit the first
        # frame once.
        from_past = (
            [self.past[0].entry] if seen > self.history_size else [self.first, self.past[0].entry]
        )
        return from_past + [self.latest.entry] * (self.history_size - len(from_past))


def _bucket_centre(moment: Moment, bucket_frames: int) -> float:
    return (moment.frame // bucket_frames + 0.5) * bucket_frames


def _merge_buckets(moments: tuple[Moment, ...], bucket_frames: int) -> tuple[Moment, ...]:
    """The best moment of each bucket, in order of time; the earlier one wins a tie."""
    best: dict[int, Moment] = {}
    for moment in moments:
        bucket = moment.frame // bucket_frames
        if bucket not in best or moment.score > best[bucket].score:
            best[bucket] = moment
    return tuple(best[bucket] for bucket in sorted(best))
