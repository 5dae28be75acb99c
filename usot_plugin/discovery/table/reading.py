"""The pseudo-box table, reading side.

Training reads a table from many loader processes at once. So the rows are not decoded by each of
them: the first reader writes an uncompressed Arrow copy of the Parquet table (a hidden file beside
it), and all of them map that copy into memory. The pages are shared by the processes of a machine,
a row is cut out when it is asked for, and a table object pickles as its path.
"""

from __future__ import annotations

import bisect
import hashlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from usot_plugin.structures import PseudoTrack
from usot_plugin.utils.atomic import remove_quietly, whole_file, write_cause

from .format import (
    COLUMNS,
    FRAME_COLUMNS,
    KEPT,
    MASK_COLUMN,
    TableError,
    TableInfo,
    check_rows,
    clip_of_part,
    open_parquet,
    read_info,
)

__all__ = [
    'PseudoBoxRow',
    'PseudoBoxTable',
    'TableError',
    'read_table',
    'sorted_parts',
    'table_batches',
]

#: Rows of a clip are small; this many frames make one batch of the Arrow copy and one row group of
#: a merged table.
BATCH_FRAMES = 200_000


@dataclass(frozen=True)
class PseudoBoxRow:
    """One row; the per-frame columns are cut out of the mapped file by :attr:`track` (contract: see
    :class:`PseudoTrack`).

    Attributes:
        clip: Name below the videos root.
        path: Where the clip was read at discovery.
        fingerprint: Of its bytes.
        width, height: Frame size in pixels.
        fps: Frames per second; 0 where unknown.
        frame_count: Number of frames of the clip.
        status: 'kept', 'dropped' or 'skipped'.
        reason: Why it was not kept, as one of a few; ``detail`` says it in full.
        samplable: Good enough to be drawn for training.
    """

    clip: str
    path: str
    fingerprint: str
    width: int
    height: int
    fps: float
    frame_count: int
    status: str
    reason: str
    detail: str
    samplable: bool
    _batch: pa.RecordBatch = field(repr=False)
    _index: int = field(repr=False)

    @property
    def track(self) -> PseudoTrack | None:
        """The trajectory, arrays read-only; None for a skipped clip."""
        if self.status == 'skipped':
            return None
        columns: dict[str, Any] = {
            name: _frame_array(self._batch.column(name)[self._index]) for name in FRAME_COLUMNS
        }
        for name in ('object_id', 'first_frame', 'sequence_quality', 'corner_share'):
            columns[name] = self._batch.column(name)[self._index].as_py()
        if MASK_COLUMN.name in self._batch.schema.names:
            cell = self._batch.column(MASK_COLUMN.name)[self._index]
            columns['mask_runs'] = [runs.values.to_numpy(zero_copy_only=False) for runs in cell]
        return PseudoTrack(**columns)


def _frame_array(cell: pa.ListScalar) -> np.ndarray:
    values = cell.values
    if pa.types.is_fixed_size_list(values.type):
        return values.flatten().to_numpy(zero_copy_only=True).reshape(-1, 4)
    return values.to_numpy(zero_copy_only=False)  # zero copies but for the bit-packed booleans


class _Rows(Sequence):
    """The rows of a table, made when they are asked for."""

    def __init__(self, table: PseudoBoxTable) -> None:
        self._table = table

    def __len__(self) -> int:
        return len(self._table)

    def __getitem__(self, index):
        if isinstance(index, slice):
            return [self._table[i] for i in range(*index.indices(len(self)))]
        return self._table[index]


class PseudoBoxTable:
    """A pseudo-box table, mapped into memory and sorted by clip, object and first frame.

    Use :func:`read_table`. ``table[i]`` is a :class:`PseudoBoxRow`; :meth:`kept` and
    :meth:`samplable` give smaller tables over the same memory.

    Attributes:
        path: The folder of parts or the ``.parquet`` file.
        info: Discovery config and versions.
    """

    def __init__(
        self, path: Path, info: TableInfo, copy: Path, key: str, indices: np.ndarray | None = None
    ) -> None:
        self.path, self.info = path, info
        self._copy, self._key = copy, key
        reader = pa.ipc.open_file(pa.memory_map(str(copy)))
        self._batches = [reader.get_batch(i) for i in range(reader.num_record_batches)]
        self._starts = np.cumsum([0] + [batch.num_rows for batch in self._batches])
        self._indices = np.arange(self._starts[-1]) if indices is None else indices

    def __len__(self) -> int:
        return len(self._indices)

    def __repr__(self) -> str:
        return f'PseudoBoxTable({str(self.path)!r}, {len(self)} rows)'

    def __getitem__(self, index: int) -> PseudoBoxRow:
        if not -len(self) <= index < len(self):
            raise IndexError(f'{self.path}: row {index} of {len(self)}')
        row = int(self._indices[index])
        at = bisect.bisect_right(self._starts, row) - 1
        batch, inside = self._batches[at], row - int(self._starts[at])
        names = [name for name in PseudoBoxRow.__dataclass_fields__ if not name.startswith('_')]
        return PseudoBoxRow(
            **{name: batch.column(name)[inside].as_py() for name in names},
            _batch=batch,
            _index=inside,
        )

    def __iter__(self) -> Iterator[PseudoBoxRow]:
        return iter(self.rows)

    @property
    def rows(self) -> Sequence[PseudoBoxRow]:
        """All rows, each made when it is asked for."""
        return _Rows(self)

    def column(self, name: str) -> np.ndarray:
        """One scalar column as an array ``(rows,)``; nan where a number is missing.

        Raises:
            KeyError: There is no such column, or it has one entry per frame.
        """
        if name not in COLUMNS.names or name in FRAME_COLUMNS:
            known = [n for n in COLUMNS.names if n not in FRAME_COLUMNS]
            raise KeyError(f'{name!r} is no column with one value per row; those are {known}')
        if not self._batches:
            return np.empty(0, COLUMNS.field(name).type.to_pandas_dtype())
        parts = [batch.column(name).to_numpy(zero_copy_only=False) for batch in self._batches]
        return np.concatenate(parts)[self._indices]

    def where(self, mask: np.ndarray) -> PseudoBoxTable:
        """The rows on which ``mask`` ``(rows,)`` is true."""
        return PseudoBoxTable(
            self.path, self.info, self._copy, self._key, self._indices[np.asarray(mask, bool)]
        )

    def kept(self) -> PseudoBoxTable:
        """The rows whose trajectory was not dropped."""
        return self.where(self.column('status') == KEPT)

    def samplable(self) -> PseudoBoxTable:
        """The rows good enough to be drawn for training."""
        return self.where(self.column('samplable').astype(bool))

    def __reduce__(self):
        return _reopen, (str(self.path), self._key, self._indices)


def _reopen(path: str, key: str, indices: np.ndarray) -> PseudoBoxTable:
    table = read_table(path)
    if table._key != key:
        raise TableError(f'{path}: the table was changed while a loader was using it')
    return PseudoBoxTable(table.path, table.info, table._copy, key, indices)


def read_table(path: str | Path) -> PseudoBoxTable:
    """Open a pseudo-box table: a folder of parts, or one merged ``.parquet`` file.

    Raises:
        TableError: Nothing there, not a pseudo-box table, another schema version, a truncated file,
            or parts of different configs.
    """
    path = Path(path)
    if path.is_dir():
        files = sorted(file for file in path.glob('*.parquet') if not file.name.startswith('.'))
        if not files:
            raise TableError(f'{path}: no part of a pseudo-box table in this folder')
    else:
        files = [path]
        if not path.exists():
            raise TableError(f'{path}: no such pseudo-box table')
    try:
        key = _state_key(path, files)
    except OSError as error:
        raise TableError(f'{error.filename}: cannot be read ({error.strerror})') from error
    for copy in _copy_places(path, key):
        if copy.exists():
            try:
                return _map_copy(path, copy, key)
            except (
                pa.ArrowInvalid,
                OSError,
            ):
                # Not ours or damaged: it is only a copy, and is written anew
                remove_quietly(copy)
    return _map_copy(path, _write_copy(path, files, key), key)


def _map_copy(path: Path, copy: Path, key: str) -> PseudoBoxTable:
    with pa.memory_map(str(copy)) as source:
        schema = pa.ipc.open_file(source).schema
    return PseudoBoxTable(path, read_info(schema, path), copy, key)


def _state_key(path: Path, files: Sequence[Path]) -> str:
    """Changes whenever a file of the table is replaced."""
    digest = hashlib.sha1(str(path.resolve()).encode(), usedforsecurity=False)
    for file in files:
        stat = file.stat()
        digest.update(f'{file.name}:{stat.st_size}:{stat.st_mtime_ns};'.encode())
    return digest.hexdigest()[:16]


def _copy_places(path: Path, key: str) -> list[Path]:
    """Where the Arrow copy may be: beside the table, or in the temporary folder where that cannot
    be written."""
    beside = path if path.is_dir() else path.parent
    user = os.getuid() if hasattr(os, 'getuid') else 0
    elsewhere = Path(tempfile.gettempdir()) / f'usot_plugin-{user}'
    return [beside / f'.{path.name}-{key}.arrow', elsewhere / f'{path.name}-{key}.arrow']


def _write_copy(path: Path, files: Sequence[Path], key: str) -> Path:
    parts = sorted_parts(path) if path.is_dir() else [(None, path)]
    info = common_info([file for _, file in parts])
    last = ''
    for copy in _copy_places(path, key):
        try:
            copy.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            for stale in copy.parent.glob(f'{copy.name[: -len(key) - 6]}*.arrow'):
                remove_quietly(stale)
            with whole_file(copy) as sink, pa.ipc.new_file(sink, info.columns) as writer:
                for batch in table_batches([file for _, file in parts]):
                    writer.write_batch(batch)
            return copy
        except OSError as error:
            last = write_cause(error, copy)
    raise TableError(
        f'{path}: no room for its memory-mapped copy, neither beside it nor in '
        f'{tempfile.gettempdir()} ({last})'
    )


def sorted_parts(folder: Path) -> list[tuple[str, Path]]:
    """The parts of a table with their clips, in the order of rows.

    Raises:
        TableError: A file is no part, or two parts are of the same clip.
    """
    parts = []
    for file in folder.glob('*.parquet'):
        if file.name.startswith('.'):
            continue
        schema = open_parquet(file).schema_arrow
        read_info(schema, file)
        clip = clip_of_part(schema)
        if clip is None:
            raise TableError(
                f'{file}: a merged table does not belong between the parts of {folder}'
            )
        parts.append((clip, file))
    parts.sort()
    for (a, first), (b, second) in zip(parts, parts[1:], strict=False):
        if a == b:
            raise TableError(f'{first} and {second.name}: two parts of the same clip {a!r}')
    return parts


def common_info(files: Sequence[Path]) -> TableInfo:
    """The config that all files share.

    Raises:
        TableError: Two files were made with different configs.
    """
    infos = [(file, read_info(open_parquet(file).schema_arrow, file)) for file in files]
    first_file, first = infos[0]
    for file, info in infos[1:]:
        if info.config_hash != first.config_hash:
            raise TableError(
                f'{file}: made with another discovery config than {first_file.name} '
                f'({"; ".join(first.differences(info))})'
            )
    versions = sorted({version for _, info in infos for version in info.package.split(',')})
    return TableInfo(first.config, ','.join(versions), first.rounds)


def table_batches(files: Sequence[Path]) -> Iterator[pa.RecordBatch]:
    """The rows of all files in order, in batches of about :data:`BATCH_FRAMES` frames; one file's
    rows are in memory at a time.

    Raises:
        TableError: A file cannot be read to its end.
    """
    waiting: list[pa.Table] = []
    frames = 0
    for file in files:
        parquet, row = open_parquet(file), 0
        for group in range(parquet.num_row_groups):
            waiting.append(_read_group(parquet, group, file).replace_schema_metadata(None))
            check_rows(waiting[-1], file, row)
            row += len(waiting[-1])
            frames += sum(len(chunk.flatten()) for chunk in waiting[-1].column('picked').chunks)
            if frames >= BATCH_FRAMES:
                yield from _one_batch(waiting)
                waiting, frames = [], 0
    yield from _one_batch(waiting)


def _read_group(parquet: pq.ParquetFile, group: int, file: Path) -> pa.Table:
    try:
        table = parquet.read_row_group(group)
        table.validate(full=True)
        return table
    except (pa.ArrowException, ValueError, OSError, MemoryError) as error:
        raise TableError(f'{file}: damaged ({str(error).splitlines()[0]})') from error


def _one_batch(tables: list[pa.Table]) -> Iterator[pa.RecordBatch]:
    if tables:
        yield from pa.concat_tables(tables).combine_chunks().to_batches()
