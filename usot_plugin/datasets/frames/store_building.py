"""Making crop stores and folders of frames from a pseudo-box table, clip by clip, in several
processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2

from usot_plugin.structures.clip import ClipError, open_clip
from usot_plugin.utils.atomic import remove_abandoned, whole_folder
from usot_plugin.utils.names import path_below
from usot_plugin.utils.worker_pool import TIMEOUT_S, LostJob, run_jobs

from ..boxes.box_sources import BoxSource
from ..track import Track
from .crop_store import CropStoreWriter, StoreConfig, cut_tracks


@dataclass
class BuildReport:
    """What a run has done.

    Attributes:
        clips: Clips written by this run.
        images: Crops or frames written by this run.
        skipped: Clips that were there already.
        failed: Reason for each clip that could not be read.
    """

    clips: int = 0
    images: int = 0
    skipped: int = 0
    failed: dict[str, str] = field(default_factory=dict)


#: What is said of a clip that an earlier run has stored.
THERE = 'there already'


def tracks_by_clip(source: BoxSource, only_samplable: bool = True) -> Iterator[list[Track]]:
    """The tracks of each clip together; rows of one clip are neighbours in a table."""
    group: list[Track] = []
    for row in range(len(source)):
        if only_samplable and not source.samplable[row]:
            continue
        track = source.track(row)
        if group and group[0].clip != track.clip:
            yield group
            group = []
        group.append(track)
    if group:
        yield group


def build_crop_store(
    source: BoxSource,
    out: str | Path,
    config: StoreConfig | None = None,
    workers: int = 1,
    only_samplable: bool = True,
    min_quality: float = 0.0,
    step: int = 1,
    on_clip: Callable[[str, str], None] = lambda clip, message: None,
    timeout_s: float | None = TIMEOUT_S,
) -> BuildReport:
    """Store the crops of all tracks; clips that are there already are skipped.

    Args:
        source: Boxes known beforehand (discovered or annotated).
        out: Folder of the LMDB database.
        config: Geometry of the crops.
        workers: Processes that decode; 0 does it in this one.
        only_samplable: Leave tracks out that training does not draw.
        min_quality: Store frames whose quality is above this.
        step: Store every ``step``-th frame.
        on_clip: Is told of every clip, with a line about it.
        timeout_s: A clip of which no frame comes for so long is given up; None waits forever.

    Raises:
        CropStoreError: ``out`` holds something else.
        ValueError: The source finds its boxes in full frames.
    """
    if not source.fixed:
        raise ValueError(
            f'{type(source).__name__} finds its boxes in full frames: there are no crops to store'
        )
    config = config or StoreConfig()
    report = BuildReport()
    with CropStoreWriter(out, config) as writer:

        def jobs() -> Iterator[tuple[str, tuple]]:
            for tracks in tracks_by_clip(source, only_samplable):
                if all(writer.holds(track) for track in tracks):
                    report.skipped += 1
                    on_clip(tracks[0].clip, THERE)
                else:
                    yield tracks[0].clip, (_cut_clip, (tracks, config, min_quality, step))

        for clip, (entries, error) in _results(jobs(), workers, timeout_s):
            if error:
                report.failed[clip] = error
                on_clip(clip, f'failed: {error}')
                continue
            writer.add(entries)
            crops = sum(not key.endswith('/meta') for key, _ in entries)
            report.clips, report.images = report.clips + 1, report.images + crops
            on_clip(clip, f'{crops} crops')
    return report


def extract_frames(
    source: BoxSource,
    out: str | Path,
    workers: int = 1,
    only_samplable: bool = True,
    quality: int = 95,
    on_clip: Callable[[str, str], None] = lambda clip, message: None,
    timeout_s: float | None = TIMEOUT_S,
) -> BuildReport:
    """Write all frames of the clips as JPEG files ``<out>/<clip>/000000.jpg``, for
    ``PseudoBoxDataset(frame_root=out)``.

    A clip's folder appears whole or not at all; one that is there is skipped.

    Args:
        source: Whose clips.
        out: Folder of the clips' folders.
        workers: Processes that decode; 0 does it in this one.
        only_samplable: Leave clips out that training does not draw.
        quality: JPEG quality.
        on_clip: Is told of every clip, with a line about it.
        timeout_s: A clip of which no frame comes for so long is given up; None waits forever.

    Raises:
        UnsafeNameError: The name of a clip leads out of ``out``; nothing is written.
    """
    report = BuildReport()
    # Before the first is written.
    places = {
        path_below(out, tracks[0].clip, 'clip').parent
        for tracks in tracks_by_clip(source, only_samplable)
    }
    for place in places:
        remove_abandoned(place)  # what a killed run has left

    def jobs() -> Iterator[tuple[str, tuple]]:
        for tracks in tracks_by_clip(source, only_samplable):
            folder = path_below(out, tracks[0].clip, 'clip')
            if folder.is_dir():
                report.skipped += 1
                on_clip(tracks[0].clip, THERE)
            else:
                yield tracks[0].clip, (_extract_clip, (tracks[0].path, folder, quality))

    for clip, (count, error) in _results(jobs(), workers, timeout_s):
        if error:
            report.failed[clip] = error
            on_clip(clip, f'failed: {error}')
            continue
        report.clips, report.images = report.clips + 1, report.images + count
        on_clip(clip, f'{count} frames')
    return report


def _cut_clip(
    tracks: list[Track], config: StoreConfig, min_quality: float, step: int
) -> list[tuple[str, bytes]]:
    return cut_tracks(open_clip(tracks[0].path), tracks, config, min_quality, step)


def _extract_clip(path: str, folder: Path, quality: int) -> int:
    clip = open_clip(path)
    with whole_folder(folder) as part:
        for index, frame in clip.iter_frames():
            data = cv2.imencode('.jpg', frame, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
            (part / f'{index:06d}.jpg').write_bytes(data.tobytes())
    return clip.frame_count


def _results(
    jobs: Iterator[tuple[str, tuple]], workers: int, timeout_s: float | None
) -> Iterator[tuple[str, tuple[Any, str]]]:
    """Name of each clip with its result and error text; a worker that was lost is an error of its
    clip."""
    with closing(run_jobs(_quietly, jobs, workers, cv2.setNumThreads, (1,), timeout_s)) as results:
        for name, result in results:
            yield (
                name,
                (None, f'{name}: the worker process that read it {result.cause}')
                if isinstance(result, LostJob)
                else result,
            )


def _quietly(function: Callable, arguments: tuple) -> tuple[Any, str]:
    """Result and error text of one job: a clip that cannot be read must not stop the others."""
    try:
        return function(*arguments), ''
    except ClipError as error:
        return None, str(error)
