"""Command-line tools in processes that start at once, and what is left when one is killed."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

#: A run that takes so long hangs.
HANGS_AFTER_S = 600.0
#: Workers of a killed process have so long to end: one that is just starting looks for its parent
#: when its imports are done (6 s of CPU time), loaders look every five seconds.
WORKERS_END_S = 300.0
#: Audit events of Python that change files.
CHANGES = frozenset({'os.rename', 'os.remove', 'os.mkdir', 'os.rmdir', 'os.truncate', 'os.link'})


def import_tools(names: Sequence[str]) -> None:
    """Import the tools for children to be forked; nothing is computed here, no thread is lost."""
    for name in names:
        import_module(name)


@dataclass
class Limits:
    """What a child meets with.

    Attributes:
        kill_after_s: SIGKILL, of the main process only, when so many seconds have passed.
        kill_at_change: It kills itself before the change of a file with this number.
        below: Changes of files below this folder are counted.
        file_bytes: No file may grow larger.
    """

    kill_after_s: float | None = None
    kill_at_change: int | None = None
    below: Path | None = None
    file_bytes: int | None = None


class Child:
    """A call in a forked process that leads a session of its own; what it prints goes to ``log``.

    Args:
        call: Returns the exit status.
        log: Text file, appended to.
        limits: See :class:`Limits`.
        counter: File that the number of changes is written to at the end.
    """

    def __init__(
        self,
        call: Callable[[], int | None],
        log: Path,
        limits: Limits | None = None,
        counter: Path | None = None,
    ) -> None:
        self.limits, self.log = limits or Limits(), log
        log.parent.mkdir(parents=True, exist_ok=True)
        self.log_start = log.stat().st_size if log.exists() else 0
        self.begin = time.monotonic()
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if self.pid == 0:
            self._be(call, counter)

    def _be(self, call: Callable[[], int | None], counter: Path | None) -> None:
        """The child; never returns."""
        status = 70
        try:
            os.setsid()
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            handle = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
            os.dup2(handle, 1)
            os.dup2(handle, 2)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            if self.limits.file_bytes is not None:
                resource.setrlimit(resource.RLIMIT_FSIZE, (self.limits.file_bytes,) * 2)
            changes = _count_changes(self.limits) if self.limits.below else lambda: 0
            try:
                status = call() or 0
            except SystemExit as stop:
                status = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
            if counter is not None:
                counter.write_text(str(changes()))
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)

    def runs(self) -> bool:
        """Whether it has not ended yet."""
        found = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        return found is None

    def wait(self) -> int:
        """Exit status, negative for a signal; kills when it was asked for, and what hangs.

        Raises:
            TimeoutError: It hung, and was killed with all that it had started.
        """
        try:
            return self._wait()
        except BaseException:  # the campaign is ended
            self._end()
            raise

    def _end(self) -> None:
        for one in (self.pid, *session(self.pid)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(one, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.pid, 0)

    def _wait(self) -> int:
        kill_after = self.limits.kill_after_s
        while True:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                return os.waitstatus_to_exitcode(status)
            passed = time.monotonic() - self.begin
            if kill_after is not None and passed >= kill_after:
                os.kill(self.pid, signal.SIGKILL)
                kill_after = None
            if passed > HANGS_AFTER_S:
                raise TimeoutError(f'hangs: it ran for {HANGS_AFTER_S:g} seconds')
            time.sleep(0.002)

    def said(self) -> str:
        """What it printed."""
        data = self.log.read_bytes()[self.log_start :]
        return data.decode('utf-8', 'backslashreplace')

    def orphans(self) -> list[int]:
        """What it had started and goes on after :data:`WORKERS_END_S`; it is killed here."""
        deadline = time.monotonic() + WORKERS_END_S
        while left := session(self.pid):
            if time.monotonic() > deadline:
                for one in left:
                    os.kill(one, signal.SIGKILL)
                return left
            time.sleep(0.02)
        return []


def _count_changes(limits: Limits) -> Callable[[], int]:
    """Count what changes files below a folder, end this process there; returns the counter."""
    root, count = os.fspath(limits.below or ''), 0

    def look(event: str, arguments: tuple) -> None:
        nonlocal count
        if event == 'open':
            flags = arguments[2]
            if not isinstance(flags, int) or not flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
                return
        elif event not in CHANGES:
            return
        path = arguments[0]
        if isinstance(path, int) or not os.fsdecode(path).startswith(root):
            return
        count += 1
        if count == limits.kill_at_change:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(look)
    return lambda: count


def session(leader: int) -> list[int]:
    """Living processes of a session, its leader aside."""
    found = []
    for entry in os.listdir('/proc'):
        if not entry.isdigit() or int(entry) == leader:
            continue
        try:
            fields = Path('/proc', entry, 'stat').read_text().rsplit(')', 1)[1].split()
        except OSError:
            continue
        if int(fields[3]) == leader and fields[0] not in 'ZX':
            found.append(int(entry))
    return found


def run_in_child(call: Callable[[], int | None], log: Path) -> None:
    """Run something that computes (this process only imports) and refuse any failure."""
    child = Child(call, log)
    status = child.wait()
    if status:
        raise RuntimeError(f'the preparation ended with status {status}:\n{child.said()[-2000:]}')
