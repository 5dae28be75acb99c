"""An LMDB of crops around the boxes of tracks, for random access that costs one small JPEG.

Keys of the database (ASCII; ``<id>`` names clip, object and first frame by a hash, because names
may be long and in any script):
    ``config``: geometry and version, JSON. ``<id>/meta``: JSON of :class:`StoredTrack`.
    ``<id>/<frame, six digits>``: the crop, a JPEG.
The crops of a clip and their meta are written in one transaction: they are there all together or
not at all. A value is followed by its CRC-32 (:func:`seal`); stores of version 1, made before, have
none and are read as they are.
"""

from __future__ import annotations

import errno
import hashlib
import json
import mmap
import os
import struct
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TypeVar
from zlib import crc32

import cv2
import lmdb
import numpy as np
from mmengine.fileio.backends import LmdbBackend

from usot_plugin.structures.boxes import xyxy_to_cxcywh
from usot_plugin.structures.clip import Clip, ClipError
from usot_plugin.structures.crops import (
    CONTEXT,
    Region,
    boxes_to_crop,
    context_side,
    crop_region,
    mean_color,
    square_region,
)
from usot_plugin.utils.atomic import remove_quietly, room_error
from usot_plugin.utils.json_text import parse_json

from ..track import Track
from ..transforms.view import View
from .frame_readers import FrameReader

#: Version 2 has a checksum behind each value; version 1, which is read and added to as it is, has
#: none.
STORE_VERSION = 2
OLDEST_VERSION = 1
CRC_BYTES = 4
#: First word of LMDB's two meta pages.
LMDB_MAGIC = 0xBEEFC0DE

#: First size of the memory map; it doubles whenever it is full.
FIRST_MAP_BYTES = 1 << 28

RecordT = TypeVar('RecordT')


class CropStoreError(RuntimeError):
    """A crop store is missing, of another kind than wanted, or damaged."""


@dataclass(frozen=True)
class StoreConfig:
    """Geometry of the crops.

    Attributes:
        size: Side of a crop in pixels; 511 leaves room for a search area of 255 with a shift of 64
            px and a scale of 1.18.
        exemplar: Side that the box with its context has in the crop.
        context: Share of ``w + h`` that belongs to the target.
        quality: JPEG quality.
        version: Of the keys and values.
    """

    size: int = 511
    exemplar: int = 127
    context: float = CONTEXT
    quality: int = 95
    version: int = STORE_VERSION

    def region(self, box_xyxy: np.ndarray) -> Region:
        """Square of the frame that is stored for a box."""
        cx, cy, w, h = xyxy_to_cxcywh(np.asarray(box_xyxy, np.float64))
        return square_region(
            (cx, cy), max(1.0, context_side(w, h, self.context) * self.size / self.exemplar)
        )


@dataclass(frozen=True)
class StoredTrack:
    """What is stored of one track.

    Attributes:
        clip: Name of the clip.
        object_id: Which object.
        digest: Of its boxes; a table with other boxes does not fit the crops.
        frames: Frames of the clip that have a crop, ascending.
        fills: Mean colour of each of these frames, three whole numbers.
    """

    clip: str
    object_id: int
    digest: str
    frames: list[int]
    fills: list[list[int]]


def track_id(track: Track) -> str:
    """Key prefix of a track."""
    text = f'{track.clip}\n{track.object_id}\n{track.first_frame}'
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()[:20]


def boxes_digest(track: Track) -> str:
    """Changes with any box of the track."""
    return hashlib.sha1(
        np.asarray(track.boxes_xyxy, np.float32).tobytes(), usedforsecurity=False
    ).hexdigest()[:16]


def cut_tracks(
    clip: Clip,
    tracks: Sequence[Track],
    config: StoreConfig,
    min_quality: float = 0.0,
    step: int = 1,
) -> list[tuple[str, bytes]]:
    """Keys and values of all crops of a clip's tracks; every frame is decoded once.

    Args:
        clip: Open clip of the tracks.
        tracks: Its tracks, with boxes.
        config: Geometry.
        min_quality: A frame is stored where its quality is above this.
        step: Only every ``step``-th frame of the clip.

    Raises:
        ClipError: A frame cannot be decoded, or the clip is shorter than a track.
    """
    wanted: dict[int, list[Track]] = {}
    for track in tracks:
        assert track.frame_quality is not None
        usable = track.usable_frames()
        for index in usable[
            (track.frame_quality[usable - track.first_frame] > min_quality) & (usable % step == 0)
        ].tolist():
            wanted.setdefault(index, []).append(track)
    stored = {
        track_id(t): StoredTrack(t.clip, t.object_id, boxes_digest(t), [], []) for t in tracks
    }
    entries: list[tuple[str, bytes]] = []
    if wanted and max(wanted) >= clip.frame_count:
        raise ClipError(
            clip.path,
            f'has {clip.frame_count} frames, but its boxes reach frame {max(wanted)}: another '
            'version?',
        )
    for index, frame in clip.iter_frames(min(wanted), max(wanted) + 1) if wanted else ():
        fill = mean_color(frame).astype(int).tolist()
        for track in wanted.get(index, ()):
            key = track_id(track)
            crop = crop_region(
                frame, config.region(track.box(index)), (config.size, config.size), fill
            )
            entries.append(
                (
                    f'{key}/{index:06d}',
                    cv2.imencode('.jpg', crop, [cv2.IMWRITE_JPEG_QUALITY, config.quality])[
                        1
                    ].tobytes(),
                )
            )
            stored[key].frames.append(index)
            stored[key].fills.append(fill)
    return entries + [
        (f'{key}/meta', json.dumps(asdict(meta)).encode()) for key, meta in stored.items()
    ]


def seal(key: str, value: bytes) -> bytes:
    """A value with the CRC-32 of key and value behind it: neither a flipped bit nor a value of
    another key goes unseen."""
    return value + struct.pack('<I', crc32(value, crc32(key.encode())))


def unseal(key: str, sealed: bytes, version: int, path: Path) -> bytes:
    """The inverse of :func:`seal`.

    Raises:
        CropStoreError: The checksum is not that of the value.
    """
    if version < STORE_VERSION:
        return bytes(sealed)
    value = bytes(sealed[:-CRC_BYTES])
    if seal(key, value) != sealed:
        raise CropStoreError(
            f'{path}: record {key} is damaged (its checksum is another); build the store again'
        )
    return value


def read_record(kind: type[RecordT], key: str, value: bytes, path: Path) -> RecordT:
    """A JSON record of the store.

    Raises:
        CropStoreError: It is damaged.
    """
    try:
        record = kind(**parse_json(value))
        if isinstance(record, StoredTrack):
            frames = np.array(record.frames, np.int64)
            fills = np.array(record.fills, np.float64).reshape(-1, 3)
            if (
                frames.ndim != 1
                or len(frames) != len(fills)
                or (np.diff(frames) <= 0).any()
                or not isinstance(record.digest, str)
            ):
                raise ValueError('its frames do not fit its colours')
        elif isinstance(record, StoreConfig):
            numbers = all(isinstance(entry, int | float) for entry in vars(record).values())
            if not numbers or record.size < 1 or record.exemplar < 1:
                raise ValueError('impossible geometry')
    except (ValueError, TypeError, OverflowError) as error:
        raise CropStoreError(
            f'{path}: record {key} is damaged ({" ".join(str(error).split())[:100]}); build the '
            'store again'
        ) from error
    return record


def read_config(sealed: bytes, path: Path) -> StoreConfig:
    """The geometry of a store, of any version that is read.

    Raises:
        CropStoreError: Damaged, or of another version.
    """
    # The version says whether there is a checksum, and is part of the value: both forms are tried.
    newest = sealed[:-CRC_BYTES]
    value = newest if seal('config', newest) == sealed else sealed
    try:
        raw = parse_json(value)
        version = raw.get('version') if isinstance(raw, dict) else None
    except ValueError:
        version = None
    if isinstance(version, int) and version > STORE_VERSION:
        raise CropStoreError(
            f'{path}: crop store of version {version}, this package reads version {STORE_VERSION}'
        )
    config = read_record(StoreConfig, 'config', value, path)
    if not OLDEST_VERSION <= config.version <= STORE_VERSION:
        raise CropStoreError(
            f'{path}: crop store of version {config.version}, this package reads version '
            f'{STORE_VERSION}'
        )
    if (config.version >= STORE_VERSION) != (value is newest):
        raise CropStoreError(
            f'{path}: record config is damaged (its checksum is another); build the store again'
        )
    return config


def check_length(path: Path) -> None:
    """Refuse a database file that was cut: LMDB maps it into memory, and a page beyond its end
    would end the process (SIGBUS).

    Raises:
        CropStoreError: It is shorter than its own pages.
    """
    file = path / 'data.mdb'
    try:
        size = file.stat().st_size
        with file.open('rb') as stream:
            head = stream.read(2 * mmap.PAGESIZE)
    except OSError as error:
        raise CropStoreError(f'{path}: cannot be read ({error.strerror or error})') from error
    # Of each meta page: header 16 bytes, magic, version, address, map size, two tables of 48 bytes,
    # last page, transaction.
    pages = []
    for start in (0, mmap.PAGESIZE):
        meta = head[start + 16 : start + 16 + 24 + 2 * 48 + 16]
        if len(meta) == 24 + 2 * 48 + 16 and struct.unpack_from('<I', meta)[0] == LMDB_MAGIC:
            pages.append(struct.unpack_from('<QQ', meta, 24 + 2 * 48))
    if not pages:
        raise CropStoreError(
            f'{path}: cannot be opened as a crop store (data.mdb is no LMDB database, or cut)'
        )
    last_page, _ = max(pages, key=lambda entry: entry[1])
    if (last_page + 1) * mmap.PAGESIZE > size:
        raise CropStoreError(
            f'{path}: cut short: data.mdb has {size} bytes of {(last_page + 1) * mmap.PAGESIZE}; '
            'build the store again'
        )


#: Databases that this process reads. LMDB allows one handle a process and database, and none may be
#: used across a fork.
_backends: dict[str, LmdbBackend] = {}
_backends_pid = os.getpid()


def _backend(path: Path) -> LmdbBackend:
    """The one handle of a database in this process."""
    global _backends_pid
    if _backends_pid != os.getpid():
        for inherited in list(_backends):
            _close_backend(Path(inherited))
        _backends_pid = os.getpid()
    name = str(path.resolve())
    if name not in _backends:
        _backends[name] = LmdbBackend(name)
    return _backends[name]


def _close_backend(path: Path) -> None:
    backend = _backends.pop(str(path.resolve()), None)
    if backend is not None and backend._client is not None:
        backend._client.close()


def _write_error(error: lmdb.Error, path: Path, size: int) -> OSError:
    return room_error(error, path, size=size) or OSError(errno.EIO, str(error), str(path))


class CropStoreWriter:
    """Adds clips to a crop store; one process may write at a time, any number may read.

    Args:
        path: Folder of the database; made when missing.
        config: Geometry; a store that exists must have been made with the same.

    Raises:
        CropStoreError: The store has another geometry, or the folder is no LMDB database.
        OSError: The folder cannot be written to.
    """

    def __init__(self, path: str | Path, config: StoreConfig | None = None) -> None:
        self.path = Path(path)
        self.config = config or StoreConfig()
        self.path.mkdir(parents=True, exist_ok=True)
        _close_backend(self.path)
        data = self.path / 'data.mdb'
        fresh = not data.exists() or not data.stat().st_size
        if not fresh:
            check_length(self.path)
        try:
            self._open()
        except OSError:
            if fresh:  # the half of an empty database would be taken for a damaged one
                remove_quietly(data)
            raise

    def _open(self) -> None:
        try:
            self._env = lmdb.open(str(self.path), map_size=FIRST_MAP_BYTES, subdir=True)
        except lmdb.Error as error:
            full = room_error(error, self.path)
            if full is not None:
                raise full from error
            raise CropStoreError(
                f'{self.path}: cannot be opened as a crop store ({error})'
            ) from error
        known = self._get('config')
        if known is None:
            try:
                self.add([('config', json.dumps(asdict(self.config)).encode())])
            except OSError:
                self._env.close()
                raise
            return
        try:
            found = read_config(known, self.path)
            if replace(found, version=self.config.version) != self.config:
                there, wanted = (json.dumps(asdict(one)) for one in (found, self.config))
                raise CropStoreError(
                    f'{self.path}: made with {there}, not with {wanted}; use another folder'
                )
        except CropStoreError:
            self._env.close()
            raise
        self.config = found  # an older store goes on as it is

    def _get(self, key: str) -> bytes | None:
        try:
            with self._env.begin() as txn:
                return txn.get(key.encode())
        except lmdb.Error as error:
            raise CropStoreError(
                f'{self.path}: damaged ({error}); build the store again'
            ) from error

    def holds(self, track: Track) -> bool:
        """Whether the crops of a track are there and belong to its boxes."""
        key = f'{track_id(track)}/meta'
        sealed = self._get(key)
        if sealed is None:
            return False
        value = unseal(key, sealed, self.config.version, self.path)
        return read_record(StoredTrack, key, value, self.path).digest == boxes_digest(track)

    def add(self, entries: Iterable[tuple[str, bytes]]) -> None:
        """Write entries in one transaction.

        Raises:
            OSError: They cannot be written, and the store is as it was before.
        """
        sealed = self.config.version >= STORE_VERSION
        entries = [(key, seal(key, value) if sealed else value) for key, value in entries]
        while True:
            try:
                with self._env.begin(write=True) as txn:
                    for key, value in entries:
                        txn.put(key.encode(), value)
                return
            except lmdb.MapFullError:
                self._env.set_mapsize(self._env.info()['map_size'] * 2)
            except lmdb.Error as error:  # a disk without room is an input/output error there
                size = sum(len(value) for _, value in entries)
                raise _write_error(error, self.path, size) from error

    def close(self) -> None:
        self._env.close()

    def __enter__(self) -> CropStoreWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class StoredCrops(FrameReader):
    """Crops of a store in place of decoded frames.

    Args:
        path: Folder of the database.

    Raises:
        CropStoreError: There is no crop store of this version.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if not (self.path / 'data.mdb').is_file():
            raise CropStoreError(
                f'{path}: no crop store here (tools/build_crop_store.py makes one)'
            )
        self._meta = lru_cache(maxsize=32)(self._read_meta)
        check_length(self.path)
        known = self._get('config')
        if known is None:
            raise CropStoreError(f'{path}: an LMDB database, but not a crop store')
        self.config = read_config(known, self.path)

    def _get(self, key: str) -> bytes | None:
        try:
            return _backend(self.path).get(key)
        except lmdb.Error as error:
            raise CropStoreError(f'{self.path}: cannot be read ({error})') from error

    def _read_meta(self, key: str) -> StoredTrack | None:
        known = self._value(f'{key}/meta')
        return None if known is None else read_record(StoredTrack, f'{key}/meta', known, self.path)

    def _value(self, key: str) -> bytes | None:
        sealed = self._get(key)
        return None if sealed is None else unseal(key, sealed, self.config.version, self.path)

    def _stored(self, track: Track) -> StoredTrack:
        meta = self._meta(track_id(track))
        if meta is None:
            raise ClipError(
                track.clip, f'object {track.object_id} is not in the crop store {self.path}'
            )
        if meta.digest != boxes_digest(track):
            raise ClipError(
                track.clip,
                f'the boxes of object {track.object_id} are not those of the crop store '
                f'{self.path}: build it again',
            )
        return meta

    def complete(self, track: Track) -> Track:
        available = np.zeros(track.length, bool)
        at = np.asarray(self._stored(track).frames, int) - track.first_frame
        if len(at) and not (at.min() >= 0 and at.max() < track.length):
            raise CropStoreError(
                f'{self.path}: record {track_id(track)}/meta is damaged (frames outside the '
                'track); build the store again'
            )
        available[at] = True
        return replace(track, available=available)

    def frame(self, track: Track, index: int) -> np.ndarray:
        raise CropStoreError(f'{self.path}: a crop store has no full frames')

    def view(self, track: Track, index: int, box_xyxy: np.ndarray) -> View:
        meta = self._stored(track)
        value = self._value(f'{track_id(track)}/{index:06d}')
        crop = (
            None
            if value is None
            else cv2.imdecode(np.frombuffer(value, np.uint8), cv2.IMREAD_COLOR)
        )
        if crop is None:
            raise ClipError(
                track.clip,
                f'the crop of object {track.object_id} is missing or damaged in {self.path}',
                index,
            )
        size = (self.config.size, self.config.size)
        fill = np.asarray(meta.fills[meta.frames.index(index)], float)
        return View(crop, boxes_to_crop(box_xyxy, self.config.region(box_xyxy), size), index, fill)

    def __getstate__(self) -> dict:
        return {'path': self.path}

    def __setstate__(self, state: dict) -> None:
        self.__init__(state['path'])  # type: ignore[misc]
