"""One process at a time in a folder."""

from __future__ import annotations

import errno
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from usot_plugin.utils import folder_lock as module
from usot_plugin.utils.cli import USER_ERROR, exit_status
from usot_plugin.utils.folder_lock import LOCK_FILE, FolderInUseError, folder_lock

HOLDER = """
import os, sys, time
from usot_plugin.utils.folder_lock import folder_lock
with folder_lock(sys.argv[1]):
    if sys.argv[2:] == ['fork'] and os.fork() == 0:
        print(os.getpid(), flush=True)
        time.sleep(60)
        os._exit(0)
    print('holds', flush=True)
    time.sleep(60)
"""


def hold(folder: Path, *more: str) -> subprocess.Popen:
    command = [sys.executable, '-c', HOLDER, str(folder), *more]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline()
    return process


@pytest.mark.process
def test_second_process_is_told_who_holds_it_until_that_is_killed(tmp_path, capsys):
    work = tmp_path / 'new' / 'work'
    first = hold(work)
    try:
        assert exit_status(lambda: folder_lock(work).__enter__()) == USER_ERROR
        said = capsys.readouterr().err
        assert said.startswith(f'error: {work}: in use since 20')
        assert f' by process {first.pid} on {os.uname().nodename} (' in said
        assert said.count('\n') == 1
    finally:
        first.kill()
        first.wait()
    with folder_lock(work):
        assert str(os.getpid()) in (work / LOCK_FILE).read_text()
    assert (work / LOCK_FILE).read_text() == ''


@pytest.mark.process
@pytest.mark.skipif(not hasattr(os, 'fork'), reason='no fork here')
def test_forked_children_do_not_keep_it(tmp_path):
    command = [sys.executable, '-c', HOLDER, str(tmp_path), 'fork']
    first = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    said = {first.stdout.readline().strip(), first.stdout.readline().strip()}
    (child,) = said - {'holds'}
    try:
        first.kill()
        first.wait()
        os.kill(int(child), 0)  # it lives
        with folder_lock(tmp_path):
            pass
    finally:
        os.kill(int(child), signal.SIGKILL)


def test_a_process_may_take_it_twice(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with folder_lock('work'):
        with folder_lock(tmp_path / 'work'):
            pass
        child = os.fork()
        if child == 0:  # the inner block has not given it back
            try:
                with folder_lock('work'):
                    os._exit(1)
            except FolderInUseError:
                os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_disk_without_locks_is_told_of(tmp_path, monkeypatch):
    def refuse(lock: int) -> None:
        raise OSError(errno.ENOLCK, 'No locks available')

    monkeypatch.setattr(module, '_take', refuse)
    message = r'knows no locks \(No locks available\)'
    with pytest.warns(UserWarning, match=message), folder_lock(tmp_path):
        pass


def test_a_folder_that_cannot_be_written_to(tmp_path, small_disk):
    (tmp_path / 'file').touch()
    with pytest.raises(FileExistsError), folder_lock(tmp_path / 'file'):
        pass
    disk = small_disk(4)
    (disk / 'full').write_bytes(bytes(4096))
    with pytest.raises(OSError) as full, folder_lock(disk):
        pass
    assert full.value.errno == errno.ENOSPC and full.value.filename == str(disk)


def test_lock_file_that_says_nothing(tmp_path):
    (tmp_path / LOCK_FILE).write_text('{')
    assert module._holder(tmp_path).startswith('in use by another process')


def test_what_a_killed_process_had_half_written_is_removed(tmp_path):
    gone = subprocess.Popen([sys.executable, '-c', ''])
    gone.wait()
    name = re.sub(r'\W', '_', socket.gethostname())
    left = tmp_path / f'.iter_3.pth.{name}-{gone.pid}.tmp.pth'
    other = tmp_path / f'.iter_4.pth.{name}-{os.getppid()}.tmp.pth'
    for file in (left, other):
        file.write_bytes(b'half')
    with folder_lock(tmp_path):
        assert not left.exists() and other.exists(), 'that of a living process stays'
