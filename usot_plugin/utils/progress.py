"""How far a long run is: one bar on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TextIO, TypeVar

from tqdm import tqdm

from .cli import Output, output

Item = TypeVar('Item')
#: Without a terminal a line comes at most this often.
LINE_EVERY_S = 10.0


class ProgressLines:
    """A bar on a terminal; elsewhere a plain line now and then. Both with a time left.

    Args:
        total: Number of items, None where it is not known.
        unit: What they are called.
        stream: Where to write.
        quiet: Neither bar nor lines; a tool that runs with ``--quiet`` has none either.
        every_s: A line comes at most this often.
    """

    def __init__(
        self,
        total: int | None,
        unit: str = 'clip',
        stream: TextIO | None = None,
        quiet: bool = False,
        every_s: float = LINE_EVERY_S,
    ) -> None:
        self.total = total
        self.unit = unit
        self.done = 0
        self.earlier = 0
        self._stream = stream or sys.stderr
        self._quiet = quiet or output() is Output.QUIET
        self._every_s = every_s
        self._bar = None
        if self._stream.isatty() and not self._quiet:
            self._bar = tqdm(
                total=total, unit=unit, file=self._stream, dynamic_ncols=True, smoothing=0.05
            )
        self._started = self._last_line = time.perf_counter()

    def advance(self, state: str = '') -> None:
        """One item more is done; ``state`` stands behind the count."""
        self.done += 1
        if self._bar is not None:
            if state:
                self._bar.set_postfix_str(state, refresh=False)
            self._bar.update(1)
        elif not self._quiet and time.perf_counter() - self._last_line > self._every_s:
            self._last_line = time.perf_counter()
            self.line(', '.join(filter(None, (self._count(), state, self._time_left()))))

    def skip(self) -> None:
        """One item more was done before; it does not count for the time left."""
        self.done += 1
        self.earlier += 1
        if self._bar is not None:
            self._bar.initial += 1  # not part of the rate that the time left is computed from
            self._bar.n += 1
            self._bar.update(0)

    def line(self, text: str) -> None:
        """A line that stays, above the bar if there is one."""
        if self._bar is not None:
            self._bar.write(text, file=self._stream)
        else:
            print(text, file=self._stream, flush=True)

    def close(self) -> None:
        """End the bar."""
        if self._bar is not None:
            self._bar.close()

    def _count(self) -> str:
        if self.total is None:
            return counted(self.done, self.unit)
        return f'{self.done}/{counted(self.total, self.unit)}'

    def _time_left(self) -> str:
        if self.total is None:
            return ''
        elapsed = time.perf_counter() - self._started
        seconds = (self.total - self.done) * elapsed / max(self.done - self.earlier, 1)
        return f'{clock(max(seconds, 0))} left'


def with_progress(items: Iterable[Item], total: int | None, unit: str) -> Iterator[Item]:
    """The items, counted by :class:`ProgressLines` as the next one is asked for."""
    progress = ProgressLines(total, unit)
    try:
        for item in items:
            yield item
            progress.advance()
    finally:
        progress.close()


def counted(number: int, noun: str) -> str:
    """``1 object``, ``2 objects``."""
    return f'{number} {noun}' if number == 1 else f'{number} {noun}s'


def clock(seconds: float) -> str:
    """``4.2 s``, ``3:05 min`` or ``1:02:03 h``."""
    if seconds < 60:
        return f'{seconds:.1f} s'
    minutes, rest = divmod(round(seconds), 60)
    return (
        f'{minutes // 60}:{minutes % 60:02d}:{rest:02d} h'
        if minutes >= 60
        else f'{minutes}:{rest:02d} min'
    )
