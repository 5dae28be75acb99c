"""Files and folders that are there whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path

#: A temporary file of another machine is taken for abandoned after this long.
STALE_AFTER_S = 24 * 3600
#: What the system calls a disk without room, and how a message says it of a folder.
NO_ROOM = {
    errno.ENOSPC: 'no space left on {}',
    errno.EDQUOT: 'no space left on {}: the disk quota is used up',
    errno.EFBIG: 'a file in {} may not grow so large',
}
#: So many bytes are tried where a library does not say why it could not write.
TRIED_BYTES = 1 << 20


@contextlib.contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """Give a temporary path beside ``path``; it takes the name ``path`` when the block ends well,
    and is removed when it does not.

    The bytes are on the disk before the name is. The suffix is kept, because image and video
    writers choose their format by it; machine and process are part of the temporary name, so that
    :func:`remove_abandoned` can tell what a killed run has left. The folder is made when it is
    missing.

    Raises:
        OSError: The folder cannot be made or written to. For a full disk its ``errno`` is a key of
            :data:`NO_ROOM` and its ``filename`` the target, whatever library wrote.
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
    except Exception as error:
        full = room_error(error, target, temporary)
        if full is None:
            raise
        raise full from error
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def whole_folder(path: str | Path) -> Iterator[Path]:
    """As :func:`whole_file` for a folder that is not there yet; where another process was faster,
    its folder stays.

    Raises:
        OSError: It cannot be made; of a full disk as of :func:`whole_file`.
    """
    target = Path(path)
    temporary = temporary_folder(target)
    shutil.rmtree(temporary, ignore_errors=True)  # of a killed process with the same id
    try:
        with naming_full_disk(target):
            temporary.mkdir(parents=True)
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


@contextlib.contextmanager
def naming_full_disk(path: str | Path) -> Iterator[None]:
    """Let the block's error say that the disk is full where it is; for writers of whole folders.

    Args:
        path: What is being written; named by an error that names nothing itself.

    Raises:
        OSError: As of :func:`whole_file`.
    """
    try:
        yield
    except Exception as error:
        named = getattr(error, 'filename', None)
        full = room_error(error, Path(named or path))
        if full is None:
            raise
        raise full from error


def room_error(
    error: Exception, path: Path, written: Path | None = None, size: int = TRIED_BYTES
) -> OSError | None:
    """The full disk behind an error; None where it is something else.

    Libraries say it each in their way, or not at all: NumPy '8188 requested and 0 written', LMDB
    'Input/output error', PyTorch and PyArrow wrap the text of the system. Where an error may be one
    and does not say, the disk is asked: so many more bytes are written.

    Args:
        error: Of a library, or of the system. An error class of this package speaks for itself.
        path: What the returned error names.
        written: A file of no more use, which is written to; one of its own by default.
        size: How many bytes were to be written.
    """
    library = type(error).__module__.partition('.')[0] != __name__.partition('.')[0]
    if not library or not isinstance(error, OSError | RuntimeError) and not _of_lmdb(error):
        return None
    for code in NO_ROOM:
        if getattr(error, 'errno', None) == code or os.strerror(code) in str(error):
            return _full(code, path)
    unsaid = not isinstance(error, OSError) or error.errno in (None, errno.EIO)
    return _ask_for_room(path, written, max(size, TRIED_BYTES)) if unsaid else None


def _of_lmdb(error: Exception) -> bool:
    return type(error).__module__.partition('.')[0] == 'lmdb'


def _full(code: int, path: Path) -> OSError:
    return OSError(code, os.strerror(code), str(path))


def _ask_for_room(path: Path, written: Path | None, size: int) -> OSError | None:
    folder = path if path.is_dir() else path.parent
    trial = written or folder / f'.room.{_host()}-{os.getpid()}.tmp'
    try:
        with trial.open('ab') as stream:
            for _ in range(-(-size // TRIED_BYTES)):
                stream.write(bytes(TRIED_BYTES))
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        return _full(error.errno, path) if error.errno in NO_ROOM else None
    finally:
        remove_quietly(trial)
    return None


def write_cause(error: BaseException, path: object = None) -> str:
    """Why something could not be written, in words; for a full disk 'no space left on <folder>'.

    Args:
        error: Of the system, or of a library.
        path: What was written, for an error that names no file.
    """
    code = getattr(error, 'errno', None)
    if code in NO_ROOM:
        named = path or getattr(error, 'filename', None)
        if not named:
            return NO_ROOM[code].format('the disk')
        place = Path(str(named)).absolute()
        return NO_ROOM[code].format(place if place.is_dir() else place.parent)
    return getattr(error, 'strerror', None) or str(error) or type(error).__name__


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
