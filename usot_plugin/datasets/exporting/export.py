"""From a pseudo-box table to a file or folder of another toolbox, written whole or not at all."""

from __future__ import annotations

import contextlib
import glob
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from usot_plugin.discovery.table.reading import read_table

from ...structures.clip import ClipError
from ...utils.atomic import naming_full_disk, remove_abandoned, temporary_folder, whole_file
from ...utils.names import path_below
from ...version import __version__
from .coco import CocoVideoExporter, TAOExporter
from .got10k import GOT10kExporter
from .release import ReleaseExporter
from .selection import ExportClip, select_clips

#: Lies in every exported folder; a folder without it is never replaced.
MARKER = 'export_info.json'


class ExportError(ValueError):
    """The output cannot be made; the message names it and the cause."""


class Exporter(Protocol):
    """Turns clips into the files of one format."""

    folder: bool

    def add(self, clip: ExportClip) -> None:
        """Add a clip."""

    def finish(self) -> None:
        """Write what concerns all clips."""


#: Makers of exporters by format; each is given the place to write to and what is known of the
#: boxes.
EXPORTERS: dict[str, Callable[[Path, dict[str, Any]], Exporter]] = {
    'mmtrack': CocoVideoExporter,
    'got10k': GOT10kExporter,
    'coco-video': TAOExporter,
    'usot-json': ReleaseExporter,
}


@dataclass
class ExportReport:
    """What was exported.

    Attributes:
        clips, tracks, boxes: Numbers of them.
        left_out: Rows of the table that were not.
        failed: Reason for each clip whose frames could not be read.
    """

    clips: int = 0
    tracks: int = 0
    boxes: int = 0
    left_out: int = 0
    failed: dict[str, str] = field(default_factory=dict)


def export_table(
    table: str | Path,
    out: str | Path,
    kind: str,
    min_quality: float | None = None,
    frames: str = 'all',
    multi_object: bool = False,
    video_root: str | Path | None = None,
    crops: bool = False,
    overwrite: bool = False,
    on_clip: Callable[[str, str], None] = lambda clip, message: None,
) -> ExportReport:
    """Write the pseudo boxes of a table in another format.

    Args:
        table: Folder of parts or ``.parquet`` file.
        out: File (``mmtrack``, ``coco-video``) or folder (``got10k``, ``usot-json``) to write.
        kind: Key of :data:`EXPORTERS`.
        min_quality, frames, multi_object, video_root: See :func:`select_clips`.
        crops: ``usot-json`` only: also cut the release's crops.
        overwrite: Replace ``out``; a folder only if an export made it.
        on_clip: Is told of every clip that cannot be read, with the reason.

    Raises:
        ExportError: ``out`` is there already, nothing is left to export, or a choice is impossible.
        UnsafeNameError: The name of a clip leads out of a folder; nothing is written.
        TableError: The table cannot be read.
        OSError: ``out`` cannot be written.
    """
    if crops and kind != 'usot-json':
        raise ExportError(f'crops belong to the format usot-json, not to {kind}')
    make = partial(ReleaseExporter, crops=True) if crops else EXPORTERS[kind]
    rows = read_table(table)
    selected = list(select_clips(rows, min_quality, frames, multi_object, video_root))
    if not selected:
        raise ExportError(f'{table}: none of its {len(rows)} rows is good enough to be exported')
    for clip in selected:
        path_below(out, clip.name, f'{table}: clip')
    info = {'usot_plugin': __version__, 'table': Path(table).name, 'discovery': rows.info.config}
    report = ExportReport()
    with _new_output(
        Path(out), make is GOT10kExporter or kind == 'usot-json', overwrite, info
    ) as place:
        exporter = make(place, info)
        for clip in selected:
            try:
                exporter.add(clip)
            except ClipError as error:
                report.failed[clip.name] = str(error)
                on_clip(clip.name, str(error))
                continue
            report.clips += 1
            report.tracks += len(clip.tracks)
            report.boxes += sum(len(track.frames) for track in clip.tracks)
        if not report.clips:
            raise ExportError(
                f'no clip of {table} can be read; the last: {report.failed[selected[-1].name]}'
            )
        exporter.finish()
    report.left_out = len(rows) - report.tracks
    return report


@contextlib.contextmanager
def _new_output(out: Path, folder: bool, overwrite: bool, info: dict[str, Any]) -> Iterator[Path]:
    """A temporary place that becomes ``out`` when the block ends well."""
    if out.exists() and not overwrite:
        raise ExportError(f'{out}: is there already (--overwrite replaces it)')
    if out.exists() and out.is_dir() != folder:
        raise ExportError(
            f'{out}: this format writes a {"folder" if folder else "file"}, but that is none'
        )
    if not folder:
        with whole_file(out) as place:
            yield place
        return
    if out.exists() and not (out / MARKER).is_file():
        raise ExportError(
            f'{out}: not replaced, because no export has made it (there is no {MARKER} in it)'
        )
    place = temporary_folder(out)
    old = place.with_name(f'{place.name}.old')
    out.parent.mkdir(parents=True, exist_ok=True)
    for left in (place, old):  # of a killed process with the same id
        shutil.rmtree(left, ignore_errors=True)
    moved = False
    try:
        with naming_full_disk(out):
            yield place
            (place / MARKER).write_text(
                json.dumps(info, indent=1, sort_keys=True), encoding='utf-8'
            )
        if out.exists():
            out.rename(old)
            moved = True
        place.rename(out)
        remove_abandoned(out.parent, glob.escape(out.name))  # what a killed run has left
    except BaseException:
        if moved and not out.exists():
            old.rename(out)
            moved = False
        raise
    finally:
        shutil.rmtree(place, ignore_errors=True)
        if moved:
            shutil.rmtree(old, ignore_errors=True)
