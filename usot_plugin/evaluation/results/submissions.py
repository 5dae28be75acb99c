"""Archives for benchmarks whose server keeps the annotation: checked first, then written whole or
not at all."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from usot_plugin.datasets.benchmarks.base import BenchmarkDataset
from usot_plugin.datasets.benchmarks.sequence import AnnotatedSequence
from usot_plugin.evaluation.protocols.got10k import GOT10kResults
from usot_plugin.evaluation.results.result_files import OnePassResults, ResultError, ResultFolder
from usot_plugin.structures.boxes import xyxy_to_xywh
from usot_plugin.structures.trajectory import Trajectory
from usot_plugin.utils.atomic import whole_file
from usot_plugin.utils.config import nearest
from usot_plugin.utils.names import UnsafeNameError, is_utf8, path_below, shown_name

#: Time stamp of every entry: the first that a zip file can hold, so that equal results give equal
#: archives.
TIME_STAMP = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Server:
    """What a benchmark's server takes.

    Attributes:
        reader: Name for messages.
        protocol: Key of ``TASK_UTILS`` of the protocol that makes the results.
        sequence_count: Sequences of the test set.
        results: Result files of that protocol.
        wants_times: Whether the time of every frame belongs in the archive.
    """

    reader: str
    protocol: str
    sequence_count: int
    results: type[ResultFolder]
    wants_times: bool


SERVERS: Mapping[str, Server] = {
    'got10k': Server('GOT-10k', 'GOT10k', 180, GOT10kResults, True),
    'trackingnet': Server('TrackingNet', 'OPE', 511, OnePassResults, False),
}


def make_submission(
    dataset: BenchmarkDataset,
    results: str | Path,
    server: str,
    out: str | Path,
    origin: int = 0,
    subset: bool = False,
) -> list[str]:
    """Check the results of a tracker on a test set and pack them for its server.

    Args:
        dataset: The test set.
        results: ``OUT/<tracker>`` as the protocol of the server writes it.
        server: Key of :data:`SERVERS`.
        out: The archive to write; an existing one is replaced.
        origin: Coordinate of the first pixel's corner in the archive; for GOT-10k in the results,
            too.
        subset: Pack fewer sequences than the server's test set has, to try things out.

    Returns:
        Names of the files in the archive.

    Raises:
        ValueError: An unknown server, or the data set is not the server's test set.
        ResultError: A result is missing, unfinished, has a box that is not finite, or belongs to no
            sequence of the test set.
        OSError: The archive cannot be written.
    """
    if server not in SERVERS:
        raise ValueError(
            f'unknown server {server!r}{nearest(server, SERVERS)}; known are {", ".join(SERVERS)}'
        )
    rules = SERVERS[server]
    if len(dataset) != rules.sequence_count and not subset:
        raise ValueError(
            f'{dataset.data_root}: {len(dataset)} sequences, the test set of {rules.reader} has '
            f'{rules.sequence_count}'
        )
    folder = (
        GOT10kResults(results, origin) if rules.results is GOT10kResults else rules.results(results)
    )
    _refuse_strangers(folder, dataset.names)
    entries: dict[str, bytes] = {}
    for index in range(len(dataset)):
        sequence = dataset[index]
        path_below('the archive', sequence.name, 'sequence')  # as a server unpacks it
        if not is_utf8(sequence.name):
            raise UnsafeNameError(
                f'sequence {shown_name(sequence.name)!r}: its name is not UTF-8, which an '
                'archive needs'
            )
        runs = checked_runs(folder, sequence, rules)
        entries |= (
            _got10k_entries(sequence.name, runs, origin)
            if server == 'got10k'
            else _trackingnet_entries(sequence.name, runs, origin)
        )
    with whole_file(out) as temporary:
        write_archive(temporary, entries)
    return sorted(entries)


def checked_runs(
    folder: ResultFolder, sequence: AnnotatedSequence, rules: Server
) -> list[Trajectory]:
    """Every run over one sequence.

    Raises:
        ResultError: The result is not finished, or not fit for the server.
    """
    folder.finished_sample(sequence)
    result = folder.read(sequence.name)
    runs = [result] if isinstance(result, Trajectory) else list(result)
    where = folder.path / sequence.name
    for run in runs:
        wrong = np.flatnonzero(~np.isfinite(run.boxes_xyxy).all(1))
        if len(wrong):
            raise ResultError(
                where,
                f'{len(wrong)} boxes are not finite, the first in line {wrong[0] + 1}; '
                f'{rules.reader} wants one a frame',
            )
        negative = np.flatnonzero((xyxy_to_xywh(run.boxes_xyxy)[:, 2:] < 0).any(1))
        if len(negative):
            raise ResultError(
                where, f'the box in line {negative[0] + 1} has a negative width or height'
            )
        if rules.wants_times and not (np.isfinite(run.seconds).all() and (run.seconds > 0).all()):
            raise ResultError(
                where,
                f'the time of some frames is missing or not positive; {rules.reader} wants it '
                'for every frame',
            )
    return runs


def write_archive(path: Path, entries: Mapping[str, bytes]) -> None:
    """Write a zip file that depends on names and content alone."""
    with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(entries):
            info = zipfile.ZipInfo(name, TIME_STAMP)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.create_system, info.external_attr = 3, 0o644 << 16
            archive.writestr(info, entries[name])


def _refuse_strangers(folder: ResultFolder, names: list[str]) -> None:
    """Refuse results of sequences that the test set does not have: they were made on other data."""
    if not folder.path.is_dir():
        raise ResultError(folder.path, 'no such folder')
    if isinstance(folder, GOT10kResults):
        found = {path.name for path in folder.path.iterdir() if path.is_dir()}
    else:
        found = {path.stem for path in folder.path.glob('*.txt')} - {
            f'{name}{side}' for name in names for side in ('_time', '_score')
        }
    strange = sorted(found - set(names))
    if strange:
        raise ResultError(
            folder.path / strange[0],
            f'is no result of this test set ({len(strange)} such); remove what does not belong '
            f'here',
        )


def _rows(run: Trajectory, origin: int) -> bytes:
    boxes = xyxy_to_xywh(run.boxes_xyxy) + [origin, origin, 0, 0]
    return _text(','.join(f'{value:.3f}' for value in row) for row in boxes)


def _got10k_entries(name: str, runs: list[Trajectory], origin: int) -> dict[str, bytes]:
    entries = {
        f'{name}/{name}_{number:03d}.txt': _rows(run, origin) for number, run in enumerate(runs, 1)
    }
    seconds = np.stack([run.seconds for run in runs], 1)
    return {
        **entries,
        f'{name}/{name}_time.txt': _text(
            ','.join(f'{value:.8f}' for value in row) for row in seconds
        ),
    }


def _trackingnet_entries(name: str, runs: list[Trajectory], origin: int) -> dict[str, bytes]:
    return {f'{name}.txt': _rows(runs[0], origin)}


def _text(lines) -> bytes:
    return ('\n'.join(lines) + '\n').encode()
