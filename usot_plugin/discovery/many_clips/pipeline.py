"""Discovery over many clips: what is to do, on which machine, and into which table."""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from ...utils.atomic import NO_ROOM, write_cause
from ...utils.names import is_utf8, shown_name
from ...utils.worker_pool import TIMEOUT_S
from ..config import DiscoveryConfig
from ..config_rules import nearest_name
from ..flow import build_flow
from ..reasons import Reason
from ..table.format import TableInfo
from ..table.parts import PartFolder
from .local_engine import run_local
from .one_clip import ClipResult, ClipTask, skipped
from .progress import Progress, Tally
from .ray_engine import run_ray

ENGINES = ('local', 'ray')


class TableWriteError(RuntimeError):
    """The table cannot be written (disk full, no permission); nothing half-written stays."""


@dataclass(frozen=True)
class RunOptions:
    """How a run is carried out; none of it changes a row of the table.

    Attributes:
        workers: Clips at once; None for one per CPU (``ray``: of the cluster).
        engine: 'local' processes or a 'ray' cluster.
        ray_address: Of a running cluster; None starts Ray on this machine.
        shard: ``(i, n)``: only every n-th clip, from the i-th on.
        overwrite: Make the clips anew that the table has already.
        merge: Write the one-file form when the table has all clips.
        imports: Modules that every worker imports first.
        quiet: Only failures and the summary.
        clip_timeout_s: A clip of which no frame comes for so long is given up, its row says 'timed
            out'; None waits forever. Not with Ray.
    """

    workers: int | None = None
    engine: str = 'local'
    ray_address: str | None = None
    shard: tuple[int, int] = (0, 1)
    overwrite: bool = False
    merge: bool = True
    imports: Sequence[str] = ()
    quiet: bool = False
    clip_timeout_s: float | None = TIMEOUT_S

    def __post_init__(self) -> None:
        if self.engine not in ENGINES:
            raise ValueError(
                f"unknown engine '{self.engine}'{nearest_name(self.engine, list(ENGINES))}"
            )


def parse_shard(text: str) -> tuple[int, int]:
    """``'i/n'`` as ``(i, n)`` with ``0 <= i < n``.

    Raises:
        ValueError: It is something else.
    """
    match = re.fullmatch(r'(\d+)/(\d+)', text.strip())
    if match is None or int(match[1]) >= int(match[2]):
        raise ValueError(
            f"a shard is written i/n with 0 <= i < n, such as 0/4 .. 3/4, not '{text}'"
        )
    return int(match[1]), int(match[2])


def clips_of_shard(clips: Mapping[str, Path], shard: tuple[int, int]) -> dict[str, Path]:
    """Every n-th clip in the order of names, from the i-th on: the shards of one list are disjoint
    and complete."""
    index, count = shard
    return {name: clips[name] for name in sorted(clips)[index::count]}


def discover_clips(
    clips: Mapping[str, Path],
    config: DiscoveryConfig,
    table: str | Path,
    options: RunOptions | None = None,
) -> Tally:
    """Fill a pseudo-box table; go on with it where an earlier run was stopped.

    A clip that cannot be read becomes a row with its reason and never stops the others.

    Args:
        clips: Path of each clip by its name.
        config: Discovery config.
        table: The folder of parts. The one-file form comes beside it, as ``<table>.parquet``, as
            soon as every clip has its part.
        options: How to run.

    Returns:
        The counts.

    Raises:
        ValueError: The flow estimator cannot be built.
        TableError: The folder holds something else, or a table of another config.
        TableWriteError: The table cannot be written.
        WorkerStartError: The workers cannot be started.
    """
    options = options or RunOptions()
    # A table holds UTF-8 only: a clip with another name is one skipped row, under the name that
    # messages show.
    unnamed = {
        shown_name(name)
        for name, path in clips.items()
        if not (is_utf8(name) and is_utf8(path.absolute()))
    }
    clips = {name if is_utf8(name) else shown_name(name): path for name, path in clips.items()}
    build_flow(
        config.flow
    )  # an option that does not fit is a usage error here, not a failure of every clip
    mine = clips_of_shard(clips, options.shard)
    parts = PartFolder(table, TableInfo(config.to_dict()))
    try:
        finished = parts.open(mine, options.overwrite)
    except OSError as error:
        raise write_error(parts.folder, error) from error
    tasks = [
        ClipTask(name, path.absolute(), finished[name].fingerprint if name in finished else None)
        for name, path in mine.items()
        if name not in unnamed
    ]
    progress = Progress(len(mine), quiet=options.quiet)
    results = _engine(options, tasks, config, progress)
    refused = (_not_utf8(name, path, config) for name, path in mine.items() if name in unnamed)
    try:
        for result in chain(refused, results):
            if result.status == 'finished':
                progress.finished_before(finished[result.clip])
                continue
            _save(parts, result)
            progress.add(result)
        if options.merge and parts.has_all(clips) and parts.needs_merge():
            _merge(parts, progress)
    finally:
        results.close()
        progress.close()
    return progress.tally


def _not_utf8(name: str, path: Path, config: DiscoveryConfig) -> ClipResult:
    place = shown_name(path.absolute())
    return skipped(
        ClipTask(name, Path(place)),
        config,
        Reason.UNREADABLE,
        f'{place}: the name is not UTF-8; rename the file',
    )


def _engine(
    options: RunOptions, tasks: list[ClipTask], config: DiscoveryConfig, progress: Progress
) -> Generator[ClipResult, None, None]:
    if options.engine == 'ray':
        return run_ray(tasks, config, options.workers, options.imports, options.ray_address)

    def on_silent(clip: str, seconds: float) -> None:
        progress.line(
            f'{clip}: no frame for {seconds:.0f} seconds; given up after {options.clip_timeout_s:g}'
        )

    return run_local(
        tasks, config, options.workers, options.imports, options.clip_timeout_s, on_silent
    )


def _save(parts: PartFolder, result: ClipResult) -> None:
    assert result.part is not None
    try:
        parts.save(result.clip, result.part)
    except OSError as error:
        raise write_error(parts.folder, error) from error


def _merge(parts: PartFolder, progress: Progress) -> None:
    try:
        progress.line(f'merged into {parts.merge()}')
    except OSError as error:
        raise write_error(parts.merged_path, error) from error


def write_error(path: Path, error: OSError) -> TableWriteError:
    """What to raise where a table cannot be written; a full disk says how to go on."""
    hint = (
        '; the finished clips are safe, the same command goes on from here'
        if error.errno in NO_ROOM
        else ''
    )
    return TableWriteError(f'{path}: cannot be written ({write_cause(error, path)}){hint}')
