"""Discovery of one clip as a pure function: path and config in, the rows and bytes of its part
out."""

from __future__ import annotations

import json
import time
import traceback
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from usot_plugin.structures import Clip, ClipError, PseudoTrack, open_clip
from usot_plugin.structures.clip import fingerprint_of

from ...utils.worker_pool import LostJob
from ..config import DiscoveryConfig
from ..discover import NoMovingObjectError, discover, frames_needed
from ..flow import FlowEstimator, build_flow
from ..quality import drop_reason, is_samplable
from ..reasons import Reason
from ..table.format import (
    DROPPED,
    KEPT,
    SKIPPED,
    TableInfo,
    canonical_config,
    part_bytes,
    track_columns,
)


@dataclass(frozen=True)
class ClipTask:
    """One clip to do.

    Attributes:
        clip: Name in the table.
        path: File or folder.
        finished_fingerprint: Fingerprint of the clip's existing part, if there is one; the clip is
            left alone while it fits.
    """

    clip: str
    path: Path
    finished_fingerprint: str | None = None


@dataclass(frozen=True)
class ClipResult:
    """What became of one clip; small, and goes from worker to parent.

    Attributes:
        clip: Name in the table.
        status: 'kept' (at least one trajectory), 'dropped', 'skipped', or 'finished' (by an earlier
            run).
        reason: Why it was not kept, as one of a few.
        detail: The same in one full line.
        kept: Number of trajectories kept.
        samplable: Number of those good enough for training.
        frames: Frames of the clip.
        seconds: Wall-clock time in the worker.
        part: The Parquet part to save; None where there is nothing to save.
        traceback: Of a bug in discovery, for the log.
        notes: What is wrong with a clip that could be read, in one line.
    """

    clip: str
    status: str
    reason: str = ''
    detail: str = ''
    kept: int = 0
    samplable: int = 0
    frames: int = 0
    seconds: float = 0.0
    part: bytes | None = None
    traceback: str = ''
    notes: str = ''


def discover_clip(task: ClipTask, config: DiscoveryConfig) -> ClipResult:
    """Find the moving objects of one clip.

    Nothing is written. Of a clip that is damaged in the middle the frames before are used, and the
    ``detail`` of its rows says which were left out. A clip that cannot be read, or in which nothing
    moves, gives a 'skipped' row with its reason.
    """
    started = time.perf_counter()
    try:
        fingerprint = fingerprint_of(task.path)
    except ClipError as error:
        return skipped(
            task, config, Reason.UNREADABLE, str(error), seconds=time.perf_counter() - started
        )
    if fingerprint == task.finished_fingerprint:
        return ClipResult(task.clip, 'finished')
    clip = None
    try:
        clip = open_clip(task.path)
        tracks, left_out = _discover_whole_or_head(clip, config)
        notes = '; '.join([*clip.notes, *left_out])
        rows = [_track_row(task, clip, fingerprint, track, config, notes) for track in tracks]
    except ClipError as error:
        return skipped(
            task,
            config,
            Reason.UNREADABLE,
            str(error),
            fingerprint,
            clip,
            time.perf_counter() - started,
        )
    except NoMovingObjectError as error:
        return skipped(
            task,
            config,
            error.reason,
            f'{task.path}: {error}',
            fingerprint,
            clip,
            time.perf_counter() - started,
        )
    kept = [row for row in rows if row['status'] == KEPT]
    head = (kept or rows)[0]
    return ClipResult(
        task.clip,
        head['status'],
        head['reason'],
        head['detail'],
        len(kept),
        sum(row['samplable'] for row in kept),
        clip.frame_count,
        time.perf_counter() - started,
        part_bytes(rows, TableInfo(config.to_dict())),
        notes=notes,
    )


def _discover_whole_or_head(
    clip: Clip, config: DiscoveryConfig
) -> tuple[list[PseudoTrack], list[str]]:
    """The tracks of a clip, or of the frames before one that cannot be read; then also which frames
    were left out.

    Raises:
        ClipError: Too few frames are before the one that cannot be read.
        NoMovingObjectError: See :func:`~usot_plugin.discovery.discover.discover`.
    """
    estimator = _estimator(canonical_config(config.flow))
    try:
        return discover(clip, config, estimator), []
    except ClipError as error:
        if error.frame is None or error.frame < frames_needed(config):
            raise
        left_out = f'frames {error.frame} to {clip.frame_count - 1} are left out: {error}'
        head = replace(config, frames=replace(config.frames, max_count=error.frame))
    try:
        return discover(clip, head, estimator), [left_out]
    except NoMovingObjectError as error:
        raise NoMovingObjectError(f'{error}; {left_out}', error.reason) from error


@lru_cache(maxsize=1)
def _estimator(flow_json: str) -> FlowEstimator:
    """The flow estimator of a worker, built once and not for every clip, because a network reads
    its weights."""
    return build_flow(json.loads(flow_json))


def _track_row(
    task: ClipTask,
    clip: Clip,
    fingerprint: str,
    track: PseudoTrack,
    config: DiscoveryConfig,
    notes: str,
) -> dict[str, Any]:
    dropped = drop_reason(track, config.quality)
    reason, detail = dropped or ('', '')
    return {
        **_clip_columns(task, fingerprint, clip),
        'status': DROPPED if dropped else KEPT,
        'reason': reason,
        'detail': '; '.join(filter(None, [detail, notes])),
        'samplable': is_samplable(track, config.quality),
        **track_columns(track),
    }


def skipped(
    task: ClipTask,
    config: DiscoveryConfig,
    reason: Reason,
    detail: str,
    fingerprint: str = '',
    clip: Clip | None = None,
    seconds: float = 0.0,
) -> ClipResult:
    """The result, with its one row, of a clip without any trajectory."""
    notes = clip.notes if clip is not None else ()
    detail = ' '.join('; '.join([detail, *notes]).split())
    row = {
        **_clip_columns(task, fingerprint, clip),
        'status': SKIPPED,
        'reason': reason,
        'detail': detail,
        'samplable': False,
        **track_columns(None),
    }
    frames = clip.frame_count if clip is not None else 0
    part = part_bytes([row], TableInfo(config.to_dict()))
    return ClipResult(task.clip, SKIPPED, reason, detail, frames=frames, seconds=seconds, part=part)


def guarded(task: ClipTask, config: DiscoveryConfig) -> ClipResult:
    """:func:`discover_clip` at the boundary of a worker: a bug becomes a result, so that the other
    clips are finished."""
    try:
        return discover_clip(task, config)
    except Exception as error:  # not silent: the parent prints the traceback
        result = skipped(
            task, config, Reason.INTERNAL_ERROR, f'{task.path}: {type(error).__name__}: {error}'
        )
        return replace(result, traceback=traceback.format_exc())


def lost(task: ClipTask, config: DiscoveryConfig, job: LostJob) -> ClipResult:
    """The result of a clip whose worker process died or hung."""
    reason = Reason.TIMED_OUT if job.timed_out else Reason.DECODER_CRASHED
    return skipped(
        task, config, reason, f'{task.path}: the worker process that read it {job.cause}'
    )


def _clip_columns(task: ClipTask, fingerprint: str, clip: Clip | None) -> dict[str, Any]:
    width, height = clip.size_wh if clip is not None else (0, 0)
    return {
        'clip': task.clip,
        'path': str(task.path),
        'fingerprint': fingerprint,
        'width': width,
        'height': height,
        'fps': clip.fps if clip is not None else 0.0,
        'frame_count': clip.frame_count if clip is not None else 0,
    }
