"""The pseudo-box table on disk: columns, metadata and the bytes of one part.

A table is a folder of Parquet parts, one per clip, or the same rows in one ``.parquet`` file. Plain
column types only, so that pandas, DuckDB and everything else that reads Parquet can open it. A row
is one trajectory, or one clip that was skipped.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from usot_plugin._moved import DISCOVERY_KEYS, rename_keys
from usot_plugin.structures import PseudoTrack
from usot_plugin.utils.json_text import parse_json
from usot_plugin.version import __version__

#: Newest version that is read. It is raised when columns change; a reader refuses what it does not
#: know, and reads all older ones.
SCHEMA_VERSION = 2
#: What tables without masks are written as: they have not changed, and older readers know them.
PLAIN_VERSION = 1

_BOX = pa.list_(pa.float32(), 4)

#: Columns that say which clip a row is about; the same in all rows of a clip.
CLIP_COLUMNS = ('clip', 'path', 'fingerprint', 'width', 'height', 'fps', 'frame_count')
#: Columns with one entry per frame, beginning at ``first_frame``.
FRAME_COLUMNS = (
    'boxes_xyxy',
    'evaluated',
    'picked',
    'frame_quality',
    'centrality',
    'fragment_first',
    'fragment_last',
)

COLUMNS = pa.schema(
    [
        ('clip', pa.string()),  # name below the videos root, with '/'
        ('path', pa.string()),  # where it was read
        ('fingerprint', pa.string()),  # of its bytes; empty where they could not be read
        ('width', pa.int32()),  # pixels, rotation applied; 0 where unknown
        ('height', pa.int32()),
        ('fps', pa.float32()),  # 0 where the source does not say
        ('frame_count', pa.int32()),
        ('status', pa.string()),  # 'kept', 'dropped', 'skipped'
        ('reason', pa.string()),  # why it was dropped or skipped, one of a few; empty for kept
        ('detail', pa.string()),  # the same in full, for people
        ('object_id', pa.int32()),  # -1 for skipped
        ('first_frame', pa.int32()),
        ('boxes_xyxy', pa.list_(_BOX)),
        ('evaluated', pa.list_(pa.bool_())),
        ('picked', pa.list_(pa.bool_())),
        ('frame_quality', pa.list_(pa.float32())),
        ('centrality', pa.list_(pa.float32())),
        ('fragment_first', pa.list_(pa.int32())),
        ('fragment_last', pa.list_(pa.int32())),
        ('sequence_quality', pa.float32()),  # null for skipped
        ('corner_share', pa.float32()),  # null for skipped
        ('samplable', pa.bool_()),
    ]
)

#: The column that ``store_masks`` adds (version 2): run lengths of the motion mask on a grid over
#: the box, empty where there is none.
MASK_COLUMN = pa.field('mask_runs', pa.list_(pa.list_(pa.int32())))


def columns_of(version: int) -> pa.Schema:
    """The columns of a table of a schema version."""
    return COLUMNS if version == PLAIN_VERSION else COLUMNS.append(MASK_COLUMN)


KEPT, DROPPED, SKIPPED = 'kept', 'dropped', 'skipped'

_VERSION_KEY, _CONFIG_KEY, _PACKAGE_KEY, _CLIP_KEY, _ROUNDS_KEY = (
    f'usot_plugin.{name}'.encode()
    for name in ('schema_version', 'discovery', 'package', 'clip', 'relabelled')
)


class TableError(RuntimeError):
    """A pseudo-box table cannot be used; the message names the file and the cause."""


def canonical_config(config: dict[str, Any]) -> str:
    """A discovery config as JSON that is equal for equal configs."""
    return json.dumps(config, sort_keys=True, separators=(',', ':'))


def _rounds_text(rounds: Sequence[dict[str, Any]]) -> str:
    return json.dumps(list(rounds), sort_keys=True, separators=(',', ':'))


def _rounds_in_words(rounds: Sequence[dict[str, Any]]) -> str:
    """Each round as its model and its numbers, for a message."""
    words = [
        f'{one.get("model", "?")} ({canonical_config(one.get("relabel", {}))})' for one in rounds
    ]
    return 're-labelled by ' + ', then '.join(words) if rounds else 'not re-labelled'


def _leaves(values: Mapping[str, Any], prefix: str = '') -> Iterator[tuple[str, Any]]:
    """Every value of a nested config with its dotted key."""
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, f'{prefix}{key}.')
        else:
            yield f'{prefix}{key}', value


@dataclass(frozen=True)
class TableInfo:
    """What a table says of itself.

    Attributes:
        config: The full discovery config, nothing left to defaults.
        package: Version of this package that wrote it; several, sorted and joined by commas, where
            parts differ.
        rounds: Which trackers have labelled it again since discovery, the first round first
            (:mod:`usot_plugin.self_training.relabel`).
    """

    config: dict[str, Any]
    package: str = __version__
    rounds: tuple[dict[str, Any], ...] = ()

    @property
    def schema_version(self) -> int:
        """Meaning of the columns: 2 with masks, else 1."""
        return SCHEMA_VERSION if self.config.get('store_masks') else PLAIN_VERSION

    @property
    def columns(self) -> pa.Schema:
        """The columns, with this info as metadata."""
        return columns_of(self.schema_version).with_metadata(self.to_metadata())

    @property
    def config_hash(self) -> str:
        """Equal exactly where the configs and the rounds are."""
        text = canonical_config(self.config) + (_rounds_text(self.rounds) if self.rounds else '')
        return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()

    def to_metadata(self, clip: str | None = None) -> dict[bytes, bytes]:
        """Key-value metadata of a Parquet schema."""
        metadata = {
            _VERSION_KEY: str(self.schema_version).encode(),
            _CONFIG_KEY: canonical_config(self.config).encode(),
            _PACKAGE_KEY: self.package.encode(),
        }
        if self.rounds:
            metadata[_ROUNDS_KEY] = _rounds_text(self.rounds).encode()
        if clip is not None:
            metadata[_CLIP_KEY] = clip.encode()
        return metadata

    def differences(self, other: TableInfo) -> list[str]:
        """``key: mine != theirs`` for every key of the config that differs, and for the rounds."""
        if self.config == other.config:
            rounds = _rounds_in_words(self.rounds), _rounds_in_words(other.rounds)
            return [' != '.join(rounds)] if self.rounds != other.rounds else []
        mine = dict(_leaves(self.config))
        theirs = dict(_leaves(other.config))
        not_set = '(not set)'
        pairs = [
            (key, mine.get(key, not_set), theirs.get(key, not_set))
            for key in sorted({*mine, *theirs})
        ]
        return [f'{key}: {a} != {b}' for key, a, b in pairs if a != b]


def read_info(schema: pa.Schema, path: Path) -> TableInfo:
    """What the metadata of an opened file says.

    Raises:
        TableError: Not a pseudo-box table, or one of another schema version.
    """
    metadata = schema.metadata or {}
    if _VERSION_KEY not in metadata or _CONFIG_KEY not in metadata:
        raise TableError(
            f'{path}: a Parquet file, but not a pseudo-box table (no {_VERSION_KEY.decode()} in '
            'its metadata)'
        )
    version = metadata[_VERSION_KEY].decode('utf-8', 'backslashreplace')
    if version not in {str(known) for known in range(PLAIN_VERSION, SCHEMA_VERSION + 1)}:
        raise TableError(
            f'{path}: pseudo-box table of schema version {version}, but usot_plugin '
            f'{__version__} reads version {SCHEMA_VERSION}: '
            'run tools/discover_boxes.py again or use the version that wrote it'
        )
    columns = columns_of(int(version))
    if not schema.equals(columns, check_metadata=False):
        wrong = sorted({f.name for f in columns} ^ set(schema.names)) or [
            f.name for f in columns if schema.field(f.name).type != f.type
        ]
        raise TableError(f'{path}: the columns {wrong} are not those of schema version {version}')
    try:
        config = parse_json(metadata[_CONFIG_KEY])
        rounds = parse_json(metadata.get(_ROUNDS_KEY, b'[]'))
        package = metadata.get(_PACKAGE_KEY, b'').decode()
        if (
            not isinstance(config, dict)
            or not isinstance(rounds, list)
            or not all(isinstance(one, dict) for one in rounds)
        ):
            raise ValueError('of another shape')
    except ValueError as error:
        raise TableError(
            f'{path}: the discovery config in the metadata is damaged ({error})'
        ) from error
    # Tables of the release before hold flat keys; they are to be resumed as if made today.
    return TableInfo(rename_keys(config, DISCOVERY_KEYS), package, tuple(rounds))


def open_parquet(path: Path, memory_map: bool = False) -> pq.ParquetFile:
    """A Parquet file, its footer read.

    Raises:
        TableError: Missing, not readable, not Parquet, or cut off.
    """
    try:
        return pq.ParquetFile(path, memory_map=memory_map, page_checksum_verification=True)
    except FileNotFoundError as error:
        raise TableError(f'{path}: no such pseudo-box table') from error
    except OSError as error:
        raise TableError(f'{path}: cannot be read ({error.strerror or error})') from error
    except (pa.ArrowException, ValueError, MemoryError) as error:
        raise TableError(f'{path}: not a whole Parquet file ({_first_line(error)})') from error


def clip_of_part(schema: pa.Schema) -> str | None:
    """Name of the clip a part is about; None in a merged table."""
    name = (schema.metadata or {}).get(_CLIP_KEY)
    return None if name is None else name.decode('utf-8', 'surrogateescape')


#: Corners further out than this, and larger frames, are no pixels of any video; arrays for them
#: would fill the memory.
MOST_PX = 1 << 16
#: Frames of the longest clip.
MOST_FRAMES = 10_000_000
#: What is wrong where an entry of a frame column is.
FRAME_FAULTS = {
    'boxes_xyxy': 'a box is far outside any frame',
    'fragment_first': 'a passage leaves the track',
    'fragment_last': 'a passage leaves the track',
}


def check_rows(table: pa.Table, path: Path, first_row: int = 0) -> None:
    """Refuse rows that no discovery has written: a damaged file, or one of another program.

    Checked are columns of one length for each frame, nulls, boxes and frame sizes, and frame
    numbers.

    Args:
        table: Rows as read.
        path: Their file, for messages.
        first_row: Number of the first of them in the file.

    Raises:
        TableError: The first such row; the message names file, row and column.
    """
    for name in (
        'clip',
        'path',
        'status',
        'object_id',
        'first_frame',
        'frame_count',
        'width',
        'height',
        'samplable',
        *FRAME_COLUMNS,
    ):
        column = table.column(name)
        if column.null_count:
            at = pc.index(column.is_null(), True).as_py()
            raise TableError(f'{path}: row {first_row + at}: {name} is null')
    lengths = {name: pc.list_value_length(table.column(name)).to_numpy() for name in FRAME_COLUMNS}
    scalars = {
        name: table.column(name).to_numpy()
        for name in ('first_frame', 'frame_count', 'width', 'height', 'fps')
    }
    tracked = np.array([status != SKIPPED for status in table.column('status').to_pylist()], bool)
    count = lengths['boxes_xyxy']
    stop = scalars['first_frame'].astype(np.int64) + count
    wrong = {
        f'{name} has another length than boxes_xyxy': length != count
        for name, length in lengths.items()
    }
    if MASK_COLUMN.name in table.schema.names:
        wrong['mask_runs has another length than boxes_xyxy'] = (
            pc.list_value_length(table.column(MASK_COLUMN.name)).to_numpy() != count
        )
    wrong['a track without a frame'] = tracked & (count == 0)
    frames = scalars['frame_count']
    wrong['impossible frame numbers'] = (
        (scalars['first_frame'] < 0)
        | (frames < 0)
        | (frames > MOST_FRAMES)
        | (tracked & (stop > frames))
    )
    sides = (
        np.maximum(scalars['width'], scalars['height']),
        np.minimum(scalars['width'], scalars['height']),
    )
    wrong['impossible frame size'] = (sides[0] > MOST_PX) | (sides[1] < 0)
    wrong['fps is no number'] = ~np.isfinite(scalars['fps'].astype(float))
    for name in ('sequence_quality', 'corner_share'):
        values = table.column(name).to_numpy().astype(float)
        wrong[f'{name} is null or no number'] = tracked & ~np.isfinite(values)
    for cause, rows in wrong.items():
        if rows.any():
            raise TableError(f'{path}: row {first_row + int(np.flatnonzero(rows)[0])}: {cause}')
    owner = np.repeat(np.arange(len(count)), count)
    for name in FRAME_COLUMNS:
        flat = pc.list_flatten(table.column(name))
        if name == 'boxes_xyxy':
            boxes = pc.list_flatten(flat)
            if flat.null_count or boxes.null_count or len(boxes) != 4 * len(owner):
                raise TableError(f'{path}: row {first_row}: boxes_xyxy holds nulls')
            values = boxes.to_numpy().reshape(-1, 4)
            bad = (np.abs(np.nan_to_num(values, posinf=np.inf, neginf=-np.inf)) > MOST_PX).any(1)
        elif flat.null_count:
            bad = flat.is_null().to_numpy()
        elif name in ('fragment_first', 'fragment_last'):
            values = flat.to_numpy()
            bad = (values < scalars['first_frame'][owner]) | (values >= stop[owner])
        elif name in ('frame_quality', 'centrality'):
            bad = np.isinf(flat.to_numpy())
        else:
            continue
        if bad.any():
            where = int(owner[np.flatnonzero(bad)[0]])
            raise TableError(
                f'{path}: row {first_row + where}: {name}: '
                f'{FRAME_FAULTS.get(name, "a value is null or no number")}'
            )


def track_columns(track: PseudoTrack | None) -> dict[str, Any]:
    """The columns of a row that come from its track, or their empty values."""
    if track is None:
        empty: dict[str, Any] = {name: [] for name in FRAME_COLUMNS}
        return {
            'object_id': -1,
            'first_frame': 0,
            **empty,
            'mask_runs': [],
            'sequence_quality': None,
            'corner_share': None,
        }
    columns: dict[str, Any] = {name: np.asarray(getattr(track, name)) for name in FRAME_COLUMNS}
    lengths = {name: len(value) for name, value in columns.items()}
    if len(set(lengths.values())) != 1:
        raise ValueError(f'a track needs equally long columns, got {lengths}')
    masks = (
        [[] for _ in range(len(track))]
        if track.mask_runs is None
        else [np.asarray(runs).tolist() for runs in track.mask_runs]
    )
    columns.update(
        object_id=int(track.object_id), first_frame=int(track.first_frame), mask_runs=masks
    )
    return {
        **columns,
        'sequence_quality': float(track.sequence_quality),
        'corner_share': float(track.corner_share),
    }


def rows_to_table(rows: Sequence[dict[str, Any]], metadata: dict[bytes, bytes]) -> pa.Table:
    """Rows (a dictionary each, arrays for the frame columns) as an Arrow table, sorted as every
    table is."""
    rows = sorted(rows, key=lambda row: (row['clip'], row['object_id'], row['first_frame']))
    schema = columns_of(int(metadata[_VERSION_KEY])) if _VERSION_KEY in metadata else COLUMNS
    arrays = [_column(field, [row[field.name] for row in rows]) for field in schema]
    return pa.Table.from_arrays(arrays, schema=schema.with_metadata(metadata))


def _column(field: pa.Field, values: list[Any]) -> pa.Array:
    name, kind = field.name, field.type
    if name not in FRAME_COLUMNS:
        return pa.array(values, kind)
    offsets = np.concatenate([[0], np.cumsum([len(v) for v in values])]).astype(np.int32)
    inner = pa.float32() if name == 'boxes_xyxy' else kind.value_type
    flat = np.concatenate([np.asarray(v, inner.to_pandas_dtype()).reshape(-1) for v in values])
    numbers = pa.array(flat, inner)
    if name == 'boxes_xyxy':
        numbers = pa.FixedSizeListArray.from_arrays(numbers, type=_BOX)
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), numbers, type=kind)


def part_bytes(rows: Sequence[dict[str, Any]], info: TableInfo) -> bytes:
    """The Parquet file of one clip: equal rows and info give equal bytes."""
    clips = {row['clip'] for row in rows}
    if len(clips) != 1:
        raise ValueError(f'a part holds the rows of exactly one clip, got {sorted(clips)}')
    sink = io.BytesIO()
    pq.write_table(
        rows_to_table(rows, info.to_metadata(clips.pop())),
        sink,
        compression='zstd',
        write_page_checksum=True,
    )
    return sink.getvalue()


def part_name(clip: str) -> str:
    """File name of a clip's part: readable, safe on every file system, and different for different
    clips."""
    slug = re.sub(r'[^A-Za-z0-9_-]+', '_', clip)[-80:]
    return f'{slug}-{hashlib.sha1(clip.encode(), usedforsecurity=False).hexdigest()[:12]}.parquet'


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
