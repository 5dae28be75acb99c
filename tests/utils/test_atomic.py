"""Files that are there whole or not at all, and what a full disk is called."""

from __future__ import annotations

import errno
import io
import os
from pathlib import Path

import cv2
import lmdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from usot_plugin.evaluation.results.result_files import ResultError
from usot_plugin.utils import atomic
from usot_plugin.utils.atomic import naming_full_disk, whole_file, write_bytes, write_cause

ROOM_KIB, NUMBERS = 64, np.random.default_rng(0).integers(0, 256, 1 << 18, np.uint8)


def _parquet(path: Path) -> None:
    pq.write_table(pa.table({'a': NUMBERS}), path)


def _stream(path: Path) -> None:
    with path.open('wb') as stream:
        np.savez_compressed(stream, a=NUMBERS)


def _image(path: Path) -> None:
    if not cv2.imwrite(str(path), NUMBERS.reshape(512, 512)):
        raise OSError(f'{path}: OpenCV could not write it')


WRITERS = {
    'tofile': NUMBERS.tofile,
    'np.save': lambda path: np.save(path.open('wb'), NUMBERS),
    'savez': _stream,
    'savetxt': lambda path: np.savetxt(path, NUMBERS),
    'torch.save': lambda path: torch.save(torch.from_numpy(NUMBERS), path),
    'parquet': _parquet,
    'imwrite': _image,
    'write_bytes': lambda path: path.write_bytes(NUMBERS.tobytes()),
}


@pytest.mark.parametrize('writer', WRITERS)
def test_every_library_says_that_the_disk_is_full(small_disk, writer):
    folder = small_disk(ROOM_KIB)
    file = folder / 'file.png'
    with pytest.raises(OSError) as full, whole_file(file) as temporary:
        WRITERS[writer](temporary)
    assert (full.value.errno, full.value.filename) == (errno.ENOSPC, str(file))
    assert write_cause(full.value) == f'no space left on {folder}'
    assert not list(folder.iterdir())
    small_disk(ROOM_KIB * 100)
    with whole_file(file) as temporary:
        WRITERS[writer](temporary)
    assert [path.name for path in folder.iterdir()] == ['file.png']


def test_whole_folders_say_it_too(small_disk):
    folder = small_disk(ROOM_KIB)
    with pytest.raises(OSError) as full, naming_full_disk(folder / 'out'):
        NUMBERS.tofile(folder / 'out')  # 'n requested and m written', without a number
    assert (full.value.errno, full.value.filename) == (errno.ENOSPC, str(folder / 'out'))


def test_another_error_keeps_its_own_words(tmp_path):
    for error in (OSError('7 requested and 0 written'), OSError(errno.EIO, 'Input/output error')):
        with pytest.raises(OSError) as raised, whole_file(tmp_path / 'a'):
            raise error
        assert raised.value is error
    with pytest.raises(ResultError, match='of its own'), whole_file(tmp_path / 'a'):
        raise ResultError('b', f'of its own: {os.strerror(errno.ENOSPC)}')
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ('code', 'words'),
    [
        (errno.ENOSPC, 'no space left on {}'),
        (errno.EDQUOT, 'no space left on {}: the disk quota is used up'),
        (errno.EFBIG, 'a file in {} may not grow so large'),
    ],
)
def test_words_for_a_full_disk(tmp_path, monkeypatch, code, words):
    def fail(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(atomic.os, 'fsync', fail)
    with pytest.raises(OSError) as full:
        write_bytes(tmp_path / 'a', b'1')
    assert write_cause(full.value) == words.format(tmp_path)
    assert write_cause(OSError(code, 'x'), tmp_path / 'b') == words.format(tmp_path)
    assert write_cause(OSError(code, 'x')) == words.format('the disk')


@pytest.mark.parametrize(
    'error',
    [
        lmdb.Error('mdb_txn_commit: Input/output error'),
        RuntimeError('[enforce fail at inline_container.cc:815] . PytorchStreamWriter failed'),
        OSError(errno.EIO, 'Input/output error'),
    ],
)
def test_the_disk_is_asked_where_a_library_does_not_say(tmp_path, monkeypatch, error):
    def fail(code: int):
        def open_(self: Path, mode: str):
            assert mode == 'ab'

            class Full(io.BytesIO):
                def write(self, data: bytes) -> int:
                    raise OSError(code, os.strerror(code))

            return Full()

        return open_

    assert atomic.room_error(error, tmp_path / 'a') is None
    assert not list(tmp_path.iterdir())
    monkeypatch.setattr(Path, 'open', fail(errno.ENOSPC))
    full = atomic.room_error(error, tmp_path / 'a')
    assert full is not None and full.errno == errno.ENOSPC
    monkeypatch.setattr(Path, 'open', fail(errno.EACCES))
    assert atomic.room_error(error, tmp_path / 'a') is None
