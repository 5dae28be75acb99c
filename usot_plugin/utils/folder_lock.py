"""One process at a time in a folder: a lock that ends with its process."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shlex
import socket
import sys
import warnings
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

from .atomic import naming_full_disk, remove_abandoned
from .json_text import parse_json

#: File in the folder that is locked; it stays there, and says nothing while nobody holds the lock.
LOCK_FILE = '.lock'
#: A disk or server without locks answers with one of these.
_NO_LOCKS = {
    getattr(errno, name)
    for name in ('ENOLCK', 'ENOSYS', 'EOPNOTSUPP', 'ENOTSUP')
    if hasattr(errno, name)
}

#: Folders that this process holds: a record lock is given back by whoever closes the file first.
_held: dict[Path, int] = {}


class FolderInUseError(BlockingIOError):
    """Another process works in the folder; ``filename`` is the folder, ``strerror`` says who."""


@contextlib.contextmanager
def folder_lock(folder: str | Path) -> Iterator[None]:
    """Hold a folder, which is made when it is missing, while the block runs.

    A process that holds it already just goes on. Files that a killed process had half written there
    are removed. The lock is one of POSIX (on Windows one of a byte range): a killed process loses
    it at once, and children that it forked, such as loaders, do not keep it. It works between
    machines on NFS and other network disks that pass such locks on; where the disk has none, a
    warning says so and nothing is held.

    Raises:
        FolderInUseError: Another process holds it; named are process, host, command and since when.
        OSError: The folder cannot be made or written to.
    """
    place = Path(folder).resolve()
    if _held.get(place) == os.getpid():
        yield
        return
    with contextlib.ExitStack() as stack:
        with naming_full_disk(place):
            place.mkdir(parents=True, exist_ok=True)
            lock = os.open(place / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o666)
            stack.callback(os.close, lock)
        try:
            _take(lock)
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EAGAIN, errno.EDEADLK):
                raise FolderInUseError(errno.EAGAIN, _holder(place), str(folder)) from error
            if error.errno not in _NO_LOCKS:
                raise
            warnings.warn(
                f'{folder}: its disk knows no locks ({error.strerror}); '
                'see to it that nothing else writes there meanwhile',
                stacklevel=3,
            )
            yield
            return
        _held[place] = os.getpid()
        try:
            remove_abandoned(place)  # what a killed run has left
            os.ftruncate(lock, 0)
            with naming_full_disk(place):
                os.write(lock, _about().encode('utf-8', 'backslashreplace'))
            yield
        finally:
            del _held[place]
            os.ftruncate(lock, 0)


def _about() -> str:
    since = datetime.now(timezone.utc).isoformat(timespec='seconds')
    about = {'pid': os.getpid(), 'host': socket.gethostname(), 'since': since}
    return json.dumps({**about, 'command': shlex.join(sys.argv)}) + '\n'


def _holder(place: Path) -> str:
    """Who holds the lock, as the end of a line."""
    try:
        about = parse_json((place / LOCK_FILE).read_text(encoding='utf-8'))
        return (
            f'in use since {about["since"]} by process {about["pid"]} on {about["host"]} '
            f'({about["command"]}); wait for it, or name another folder'
        )
    except (OSError, ValueError, TypeError, KeyError):  # it is just being written
        return 'in use by another process; wait for it, or name another folder'


if os.name == 'nt':
    import msvcrt

    #: Windows keeps others from reading what is locked: a byte behind the text is.
    _BYTE = 1 << 30

    def _take(lock: int) -> None:
        os.lseek(lock, _BYTE, os.SEEK_SET)
        msvcrt.locking(lock, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        os.lseek(lock, 0, os.SEEK_SET)

else:
    import fcntl

    def _take(lock: int) -> None:
        fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
