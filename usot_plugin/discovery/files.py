"""Files that are there whole or not at all."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

#: A temporary file of another machine is taken for abandoned after this long.
STALE_AFTER_S = 24 * 3600


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A file to write that appears under its name only when it is complete and on the disk.

    The bytes go to a temporary file in the same folder, are flushed to the disk, and the file is renamed; an error removes it. Its name
    carries machine and process, so that :func:`remove_abandoned` can tell what a killed run has left.

    Raises:
        OSError: From writing; ``errno.ENOSPC`` for a full disk.
    """
    temporary = path.parent / f'.{path.name}.{_host()}-{os.getpid()}.tmp'
    try:
        with temporary.open('wb') as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except BaseException:
        remove_quietly(temporary)
        raise
    _sync_folder(path.parent)


def write_whole(path: Path, data: bytes) -> None:
    """:func:`whole_file` for bytes that are at hand."""
    with whole_file(path) as stream:
        stream.write(data)


def remove_abandoned(folder: Path, pattern: str = '.*.tmp') -> int:
    """Remove the temporary files of :func:`whole_file` whose process is gone.

    Returns:
        Number of files removed.
    """
    removed = 0
    for file in folder.glob(pattern):
        host, _, pid = file.suffixes[-2][1:].rpartition('-') if len(file.suffixes) > 1 else ('', '', '')
        try:
            old = time.time() - file.stat().st_mtime > STALE_AFTER_S
        except FileNotFoundError:
            continue
        if old or (host == _host() and pid.isdigit() and not _runs(int(pid))):
            remove_quietly(file)
            removed += 1
    return removed


def remove_quietly(path: Path) -> None:
    """Remove a file that may be gone already or not be ours to remove."""
    with contextlib.suppress(FileNotFoundError, PermissionError):
        path.unlink()


def _host() -> str:
    return ''.join(c if c.isalnum() else '_' for c in socket.gethostname()) or 'host'


def _runs(pid: int) -> bool:
    """Whether a process of another run has this id; this process has not begun to write when it asks."""
    if pid == os.getpid():
        return False
    if os.name != 'posix':  # signal 0 would end the process there
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _sync_folder(folder: Path) -> None:
    """Make a rename survive a power cut, where the system can."""
    if os.name != 'posix':
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
