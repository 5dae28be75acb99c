"""The pseudo-box table, writing side: a folder of parts that grows clip by clip and survives being
killed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from usot_plugin.utils.atomic import remove_abandoned, remove_quietly, whole_file, write_bytes

from ..reasons import FAILED_REASONS
from .format import KEPT, TableError, TableInfo, clip_of_part, open_parquet, part_name, read_info
from .reading import common_info, sorted_parts, table_batches

_RESUME_COLUMNS = ['fingerprint', 'frame_count', 'status', 'reason', 'detail', 'samplable']


@dataclass(frozen=True)
class FinishedClip:
    """What the part of a finished clip says, as far as a later run needs it."""

    fingerprint: str
    frame_count: int
    status: str
    reason: str
    detail: str
    kept: int
    samplable: int


class PartFolder:
    """The parts of one table.

    Args:
        folder: The table's folder; made by :meth:`open`.
        info: What every part says of itself.
    """

    def __init__(self, folder: str | Path, info: TableInfo) -> None:
        folder = Path(folder)
        self.folder = folder.with_suffix('') if folder.suffix == '.parquet' else folder
        self.info = info

    @property
    def merged_path(self) -> Path:
        """The one-file form of the table, beside the folder."""
        return self.folder.with_name(self.folder.name + '.parquet')

    def open(self, clips: Iterable[str], overwrite: bool = False) -> dict[str, FinishedClip]:
        """Make the folder, clear what killed runs left, and tell which of ``clips`` are finished.

        Args:
            clips: Names of the clips this run is to do.
            overwrite: Remove their parts, and every part of another config, instead of going on
                with them.

        Returns:
            The finished clips. A damaged part, or one of a clip that failed, does not count.

        Raises:
            TableError: The folder holds a table of another config, or something that is no table.
            OSError: The folder cannot be made or written.
        """
        if self.folder.exists() and not self.folder.is_dir():
            raise TableError(f'{self.folder}: the table is to be a folder, but this is a file')
        self.folder.mkdir(parents=True, exist_ok=True)
        remove_abandoned(self.folder)
        remove_abandoned(self.folder.parent, self.merged_path.name)
        self._check_merged(overwrite)
        if overwrite:
            self._clear(set(clips))
            return {}
        return self._finished(list(clips))

    def look(self, clips: Iterable[str]) -> dict[str, FinishedClip]:
        """What :meth:`open` would tell, with nothing made, cleared or removed.

        Args:
            clips: Names of the clips a run would do.

        Raises:
            TableError: As :meth:`open` without ``overwrite``.
        """
        if self.folder.exists() and not self.folder.is_dir():
            raise TableError(f'{self.folder}: the table is to be a folder, but this is a file')
        self._check_merged(overwrite=False)
        return self._finished(list(clips)) if self.folder.is_dir() else {}

    def _check_merged(self, overwrite: bool) -> None:
        if not self.merged_path.exists():
            return
        if overwrite:
            remove_quietly(self.merged_path)
        else:
            self._refuse_other_config(
                self.merged_path,
                read_info(open_parquet(self.merged_path).schema_arrow, self.merged_path),
            )

    def _refuse_other_config(self, file: Path, info: TableInfo) -> None:
        if info.config_hash != self.info.config_hash:
            raise TableError(
                f'{file}: this table was made with another discovery config '
                f'({"; ".join(info.differences(self.info))}): '
                'choose another --out, or --overwrite to make it anew'
            )

    def _clear(self, clips: set[str]) -> None:
        for file in self._files():
            schema = open_parquet(file).schema_arrow
            other = read_info(schema, file).config_hash != self.info.config_hash
            if other or clip_of_part(schema) in clips:
                file.unlink()

    def _finished(self, clips: list[str]) -> dict[str, FinishedClip]:
        wanted = {part_name(clip): clip for clip in clips}
        finished = {}
        for file in self._files():
            try:
                parquet = open_parquet(file)
            except TableError:
                if file.name in wanted:
                    continue  # damaged from outside: the clip is done again and the part replaced
                raise
            self._refuse_other_config(file, read_info(parquet.schema_arrow, file))
            if file.name in wanted:
                clip = _read_finished(parquet)
                if clip is not None and clip.reason not in FAILED_REASONS:
                    finished[wanted[file.name]] = clip
        return finished

    def _files(self) -> list[Path]:
        return sorted(
            file for file in self.folder.glob('*.parquet') if not file.name.startswith('.')
        )

    def save(self, clip: str, part: bytes) -> None:
        """Put the part of one clip in its place, whole or not at all.

        Raises:
            OSError: It cannot be written; nothing of it stays.
        """
        file = self.folder / part_name(clip)
        # A clip that fails again leaves the table as it was
        if not (file.exists() and file.read_bytes() == part):
            write_bytes(file, part)

    def has_all(self, clips: Iterable[str]) -> bool:
        """Whether there is a part for each of ``clips``."""
        names = {file.name for file in self._files()}
        return all(part_name(clip) in names for clip in clips)

    def needs_merge(self) -> bool:
        """Whether a part is newer than the one-file form, or there is none."""
        if not self.merged_path.exists():
            return True
        merged = self.merged_path.stat().st_mtime_ns
        return any(file.stat().st_mtime_ns >= merged for file in self._files())

    def merge(self) -> Path:
        """Write all parts as one sorted file, one row group's rows in memory at a time.

        Raises:
            TableError: A part is damaged or made with another config.
            OSError: The file cannot be written; an older one stays.
        """
        files = [file for _, file in sorted_parts(self.folder)]
        info = common_info(files)
        schema = info.columns
        with (
            whole_file(self.merged_path) as sink,
            pq.ParquetWriter(sink, schema, compression='zstd', write_page_checksum=True) as writer,
        ):
            for batch in table_batches(files):
                writer.write_batch(batch.replace_schema_metadata(schema.metadata))
        return self.merged_path


def _read_finished(parquet: pq.ParquetFile) -> FinishedClip | None:
    try:
        rows = parquet.read(columns=_RESUME_COLUMNS).to_pylist()
    except (pa.ArrowException, ValueError, OSError, MemoryError):
        return None
    if not rows:
        return None
    kept = [row for row in rows if row['status'] == KEPT]
    head = (kept or rows)[0]
    return FinishedClip(
        fingerprint=head['fingerprint'],
        frame_count=head['frame_count'],
        status=head['status'],
        reason=head['reason'],
        detail=head['detail'],
        kept=len(kept),
        samplable=sum(row['samplable'] for row in kept),
    )
