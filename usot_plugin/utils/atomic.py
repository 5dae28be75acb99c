"""Files and folders that are there whole or not at all."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path

#: A temporary file of another machine is taken for abandoned after this long.
STALE_AFTER_S = 24 * 3600


@contextlib.contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """Give a temporary path beside ``path``; it takes the name ``path`` when the block ends well,
    and is removed when it does not.

    The bytes are on the disk before the name is. The suffix is kept, because image and video
    writers choose their format by it; machine and process are part of the temporary name, so that
    :func:`remove_abandoned` can tell what a killed run has left. The folder is made when it is
    missing.

    Raises:
        OSError: The folder cannot be made or written to; ``errno.ENOSPC`` for a full disk.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f'.{target.name}.{_host()}-{os.getpid()}.tmp{target.suffix}')
    try:
        yield temporary
        with temporary.open('rb+') as stream:
            os.fsync(stream.fileno())
        os.replace(temporary, target)
        _sync_folder(target.parent)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def whole_folder(path: str | Path) -> Iterator[Path]:
    """As :func:`whole_file` for a folder that is not there yet; where another process was faster,
    its folder stays.

    Raises:
        OSError: It cannot be made.
    """
    target = Path(path)
    temporary = temporary_folder(target)
    shutil.rmtree(temporary, ignore_errors=True)  # of a killed process with the same id
    temporary.mkdir(parents=True)
    try:
        yield temporary
        try:
            temporary.rename(target)
        except OSError:
            if not target.is_dir():
                raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def temporary_folder(target: Path) -> Path:
    """Name for a folder that is being made; :func:`remove_abandoned` knows it."""
    return target.with_name(f'.{target.name}.{_host()}-{os.getpid()}.tmp')


def write_bytes(path: str | Path, data: bytes) -> None:
    """Write a file whole or not at all."""
    with whole_file(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: str | Path, text: str) -> None:
    """Write a text file whole or not at all; what is no UTF-8 in it (odd file names) is escaped."""
    write_bytes(path, text.encode('utf-8', 'backslashreplace'))


def remove_abandoned(folder: Path, name: str = '*') -> int:
    """Remove the temporary files and folders of this module whose process is gone.

    Args:
        folder: Where to look.
        name: Glob pattern of the file or folder that was to be written.

    Returns:
        Number of files and folders removed.
    """
    removed = 0
    for file in folder.glob(f'.{name}.*.tmp*'):
        found = re.search(r'\.([^.]+)-(\d+)\.tmp(\.\w+)?$', file.name)
        try:
            old = time.time() - file.stat().st_mtime > STALE_AFTER_S
        except FileNotFoundError:
            continue
        if old or (found and found[1] == _host() and not _runs(int(found[2]))):
            if file.is_dir() and not file.is_symlink():
                shutil.rmtree(file, ignore_errors=True)
            else:
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
    """Whether a process of another run has this id; this process has not begun to write when it
    asks."""
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
