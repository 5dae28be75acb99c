"""Self-training: a trained tracker, of any method, labels the clips of a pseudo-box table again."""

from __future__ import annotations

import pickle
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from usot_plugin.datasets.boxes.box_sources import clip_path
from usot_plugin.discovery.config import DiscoveryConfig
from usot_plugin.discovery.many_clips.one_clip import ClipResult
from usot_plugin.discovery.many_clips.pipeline import write_error
from usot_plugin.discovery.many_clips.progress import Progress, Tally
from usot_plugin.discovery.quality import drop_reason, is_samplable
from usot_plugin.discovery.reasons import Reason
from usot_plugin.discovery.table.format import DROPPED, KEPT, TableInfo, part_bytes, track_columns
from usot_plugin.discovery.table.parts import PartFolder
from usot_plugin.discovery.table.reading import PseudoBoxRow, PseudoBoxTable, read_table
from usot_plugin.self_training.relabelling import (
    Pass,
    RelabelConfig,
    choose_anchors,
    grid_frames,
    relabelled_track,
)
from usot_plugin.structures import Clip, ClipError, PseudoTrack, open_clip
from usot_plugin.structures.clip import fingerprint_of
from usot_plugin.tracking import Tracker
from usot_plugin.utils.worker_pool import TIMEOUT_S, LostJob, run_jobs

from .passes import Start, can_start, there_and_back


@dataclass(frozen=True)
class Labeller:
    """All that labelling a clip again needs; goes to worker processes.

    Attributes:
        tracker: Of any method.
        config: The numbers.
        info: What the new table says of itself.
        video_root: Where the clips are now; None for where they were at discovery.
    """

    tracker: Tracker
    config: RelabelConfig
    info: TableInfo
    video_root: str | None = None


def relabel_table(
    table: str | Path,
    out: str | Path,
    tracker: Tracker,
    model: Mapping[str, Any],
    config: RelabelConfig | None = None,
    workers: int = 0,
    video_root: str | Path | None = None,
    overwrite: bool = False,
    quiet: bool = False,
    timeout_s: float | None = TIMEOUT_S,
) -> Tally:
    """Write a table like another with the boxes of a tracker; go on with it where an earlier run
    was stopped.

    Kept tracks get new boxes, and are dropped where the tracker does not confirm them; all other
    rows are taken over as they are.

    Args:
        table: The old table.
        out: Folder of the new one; its one-file form comes beside it when every clip is done.
        tracker: What labels.
        model: What the tracker is, for the metadata of the table; plain values, among them
            ``'model'``, its name.
        config: The numbers.
        workers: Clips at once; 0 works in this process (the choice for a GPU).
        video_root: Where the clips are now; where they were at discovery by default.
        overwrite: Make the clips anew that ``out`` has already.
        quiet: Only failures.
        timeout_s: A clip of which no frame comes for so long is given up; None waits forever. Not
            with 0 workers.

    Returns:
        The counts.

    Raises:
        TableError: ``table`` cannot be read, or ``out`` holds another table (``table`` itself is
            one).
        TableWriteError: ``out`` cannot be written.
        ValueError: ``table`` was not written by discovery.
        WorkerStartError: A worker cannot be started.
    """
    old = read_table(table)
    config = config or RelabelConfig()
    DiscoveryConfig.from_dict(old.info.config)  # refused here, not clip by clip
    record = {'round': len(old.info.rounds) + 1, **model, 'relabel': config.to_dict()}
    info = TableInfo(old.info.config, rounds=(*old.info.rounds, record))
    labeller = Labeller(tracker, config, info, None if video_root is None else str(video_root))
    parts = PartFolder(out, info)
    names = sorted(set(old.column('clip').tolist()))
    progress = Progress(len(names), quiet=quiet)
    try:
        finished = parts.open(names, overwrite)
        for name in sorted(finished):
            progress.finished_before(finished[name])
        under_way: dict[str, list[dict[str, Any]]] = {}
        jobs = _jobs(old, set(finished), labeller if workers == 0 else None, under_way)
        payload = pickle.dumps(labeller) if workers else b''
        with closing(
            run_jobs(_relabel_job, jobs, workers, _prepare_worker, (payload,), timeout_s)
        ) as results:
            for name, result in results:
                rows = under_way.pop(name)
                if isinstance(result, LostJob):
                    result = _lost(rows, result, labeller)
                assert result.part is not None
                parts.save(name, result.part)
                progress.add(result)
        if parts.needs_merge():
            progress.line(f'merged into {parts.merge()}')
    except OSError as error:
        raise write_error(parts.folder, error) from error
    finally:
        progress.close()
    return progress.tally


def _jobs(
    table: PseudoBoxTable,
    finished: set[str],
    labeller: Labeller | None,
    under_way: dict[str, list[dict[str, Any]]],
) -> Iterator[tuple[str, tuple]]:
    """The rows of each clip that is still to do; rows of one clip are neighbours."""
    for name, rows in groupby(table.rows, key=lambda row: row.clip):
        if name not in finished:
            under_way[name] = _without_map(list(rows))
            yield name, (under_way[name], labeller)


def _without_map(rows: list[PseudoBoxRow]) -> list[dict[str, Any]]:
    """Rows as plain values: those of a mapped table do not travel to a worker."""
    plain = (
        'clip',
        'path',
        'fingerprint',
        'width',
        'height',
        'fps',
        'frame_count',
        'status',
        'reason',
        'detail',
        'samplable',
    )
    return [{**{name: getattr(row, name) for name in plain}, 'track': row.track} for row in rows]


_worker: dict[str, Labeller] = {}


def _prepare_worker(payload: bytes) -> None:
    import usot_plugin  # noqa: F401  registers what the pickle may name

    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    _worker['labeller'] = pickle.loads(payload)


def _relabel_job(rows: list[dict[str, Any]], labeller: Labeller | None) -> ClipResult:
    return relabel_clip(rows, labeller or _worker['labeller'])


def relabel_clip(rows: Sequence[dict[str, Any]], labeller: Labeller) -> ClipResult:
    """The new part of one clip.

    Args:
        rows: All rows of the clip: the columns of :class:`PseudoBoxRow` and ``'track'``.
        labeller: See there.

    Returns:
        The result with the part to save. A clip that cannot be read any more has its tracks dropped
        as 'unreadable'.
    """
    started = time.perf_counter()
    tracks = [row['track'] for row in rows if row['status'] == KEPT]
    try:
        new = iter(_label(rows[0], tracks, labeller) if tracks else ())
        changed = [_row(row, next(new), labeller) if row['status'] == KEPT else row for row in rows]
    except ClipError as error:
        changed = _all_dropped(rows, Reason.UNREADABLE, str(error))
    return _result(rows, changed, labeller, time.perf_counter() - started)


def _lost(rows: Sequence[dict[str, Any]], job: LostJob, labeller: Labeller) -> ClipResult:
    """The new part of a clip whose worker died or hung."""
    reason = Reason.TIMED_OUT if job.timed_out else Reason.DECODER_CRASHED
    return _result(
        rows,
        _all_dropped(
            rows, reason, f'{rows[0]["path"]}: the worker process that read it {job.cause}'
        ),
        labeller,
    )


def _all_dropped(
    rows: Sequence[dict[str, Any]], reason: Reason, detail: str
) -> list[dict[str, Any]]:
    return [
        _dropped(row, reason, ' '.join(detail.split())) if row['status'] == KEPT else row
        for row in rows
    ]


def _result(
    rows: Sequence[dict[str, Any]],
    changed: Sequence[dict[str, Any]],
    labeller: Labeller,
    seconds: float = 0.0,
) -> ClipResult:
    kept = [row for row in changed if row['status'] == KEPT]
    head = (kept or changed)[0]
    plain = [
        {**{k: v for k, v in row.items() if k != 'track'}, **track_columns(row['track'])}
        for row in changed
    ]
    return ClipResult(
        clip=head['clip'],
        status=head['status'],
        reason=head['reason'],
        detail=head['detail'],
        kept=len(kept),
        samplable=sum(row['samplable'] for row in kept),
        frames=head['frame_count'] if any(row['status'] == KEPT for row in rows) else 0,
        seconds=seconds,
        part=part_bytes(plain, labeller.info),
    )


def _label(
    head: dict[str, Any], tracks: Sequence[PseudoTrack], labeller: Labeller
) -> list[PseudoTrack | None]:
    """New tracks of a clip, None for one without a box.

    Raises:
        ClipError: The clip cannot be read, or is not the one that discovery saw.
    """
    path = (
        head['path']
        if labeller.video_root is None
        else clip_path(labeller.video_root, head['clip'])
    )
    if head['fingerprint'] and fingerprint_of(path) != head['fingerprint']:
        raise ClipError(path, 'another version of the clip than the one that discovery saw')
    clip = open_clip(path)
    passes = track_passes(labeller.tracker, clip, tracks, labeller.config)
    discovery = DiscoveryConfig.from_dict(labeller.info.config)
    pairs = zip(tracks, passes, strict=True)
    return [
        relabelled_track(track, mine, labeller.config, discovery, clip.size_wh)
        for track, mine in pairs
    ]


def track_passes(
    tracker: Tracker, clip: Clip, tracks: Sequence[PseudoTrack], config: RelabelConfig
) -> list[list[Pass]]:
    """Follow every track of a clip from its anchors, both ways in time and back; all of them as
    batches.

    Raises:
        ClipError: A frame cannot be decoded.
    """
    starts: list[Start] = []
    owners: list[int] = []
    for number, track in enumerate(tracks):
        grid = grid_frames(track, config.step_frames)
        for anchor in choose_anchors(track, config).tolist():
            box = np.asarray(track.boxes_xyxy[anchor - track.first_frame], np.float64)
            near = grid[np.abs(grid - anchor) <= config.horizon_frames]
            for until in {int(near[0]), int(near[-1])} - {anchor}:
                if can_start(box, clip.size_wh):
                    starts.append(Start(anchor, box, until))
                    owners.append(number)
    passes: list[list[Pass]] = [[] for _ in tracks]
    ordered = sorted(
        range(len(starts)), key=lambda at: starts[at].until < starts[at].frame
    )  # as there_and_back gives them
    for at, one in zip(
        ordered,
        there_and_back(tracker, clip, [starts[at] for at in ordered], config.step_frames),
        strict=True,
    ):
        passes[owners[at]].append(one)
    return passes


def _row(row: dict[str, Any], track: PseudoTrack | None, labeller: Labeller) -> dict[str, Any]:
    """A kept row with its new track, judged by the rules that discovery judges by."""
    discovery = DiscoveryConfig.from_dict(labeller.info.config)
    if track is None:
        model = labeller.info.rounds[-1].get('model', 'the tracker')
        return _dropped(
            row, Reason.NO_AGREEMENT, f'no frame on which {model} agrees with itself there and back'
        )
    why = drop_reason(track, discovery.quality)
    if why is not None:
        return {**_dropped(row, *why), 'track': track}
    return {**row, 'track': track, 'samplable': is_samplable(track, discovery.quality)}


def _dropped(row: dict[str, Any], reason: Reason, detail: str) -> dict[str, Any]:
    return {**row, 'status': DROPPED, 'reason': reason, 'detail': detail, 'samplable': False}
