"""Result files in the form of each community, as a table; one-pass results are converted between
them."""

from __future__ import annotations

import glob
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from usot_plugin.evaluation.results.result_files import (
    SIDE_FILES,
    ResultError,
    is_side_file,
    read_numbers,
    unusable_boxes,
    write_numbers,
)
from usot_plugin.structures.boxes import xywh_to_xyxy, xyxy_to_xywh
from usot_plugin.utils.atomic import write_cause, write_text
from usot_plugin.utils.config import nearest
from usot_plugin.utils.names import path_below


@dataclass(frozen=True)
class ResultFormat:
    """How result files of one-pass tracking look.

    A line of a box file is ``x, y, w, h`` of one frame.

    Attributes:
        reader: Who reads or writes such files.
        box_file: Where the boxes of a sequence lie.
        separator: Between the numbers of a line.
        decimals: Of each number.
        origin: Coordinate of the first pixel's corner, 0 or 1; None: that of the data set's
            annotation, which has to be given.
        time_file: Where the seconds of each frame lie; None where there is no such file.
        starts_with_code: The first line is the code 1 of VOT instead of a box.
        holds_nan: ``nan`` is understood as "no prediction".
    """

    reader: str
    box_file: str
    separator: str = ','
    decimals: int = 3
    origin: int | None = None
    time_file: str | None = None
    starts_with_code: bool = False
    holds_nan: bool = False


#: ``{name}`` is the sequence. Coordinates are those of the annotation that the reader compares
#: with.
FORMATS: Mapping[str, ResultFormat] = {
    'plugin': ResultFormat(
        'this plugin, protocol OPE',
        '{name}.txt',
        decimals=4,
        origin=0,
        time_file='{name}_time.txt',
        holds_nan=True,
    ),
    'otb': ResultFormat(
        'got10k toolkit on OTB', '{name}.txt', origin=1, time_file='times/{name}_time.txt'
    ),
    'got10k': ResultFormat(
        'GOT-10k server and toolkit',
        '{name}/{name}_001.txt',
        origin=0,
        time_file='{name}/{name}_time.txt',
    ),
    'lasot': ResultFormat('LaSOT evaluation toolkit', '{name}.txt', decimals=4, origin=1),
    'trackingnet': ResultFormat('TrackingNet server', '{name}.txt', origin=0),
    'pysot': ResultFormat('pysot and its relatives', '{name}.txt', decimals=4),
    'vot': ResultFormat(
        'VOT toolkit, experiment unsupervised',
        'unsupervised/{name}/{name}_001.txt',
        decimals=4,
        origin=0,
        time_file='unsupervised/{name}/{name}_001_time.value',
        starts_with_code=True,
    ),
}


@dataclass(frozen=True)
class OnePassBoxes:
    """Result of one sequence.

    Attributes:
        boxes_xyxy: ``(T, 4)`` 0-based pixels; nan where nothing was predicted.
        seconds: ``(T,)``; None where it is not known.
    """

    boxes_xyxy: np.ndarray
    seconds: np.ndarray | None = None


def format_of(name: str, origin: int | None = None) -> ResultFormat:
    """A row of :data:`FORMATS`, its origin settled.

    Raises:
        ValueError: An unknown name, or the origin depends on the data set and is not given.
    """
    if name not in FORMATS:
        raise ValueError(
            f'unknown format {name!r}{nearest(name, FORMATS)}; known are {", ".join(FORMATS)}'
        )
    form = FORMATS[name]
    settled = form.origin if origin is None else origin
    if settled not in (0, 1):
        raise ValueError(
            f"format {name!r} counts pixels as the data set's annotation does: say whether from "
            '0 or from 1 (origin)'
        )
    return ResultFormat(**{**vars(form), 'origin': settled})


def find_names(folder: str | Path, form: ResultFormat) -> list[str]:
    """Sequences that have a box file in a folder.

    Raises:
        ResultError: There is none.
    """
    prefix, _, rest = form.box_file.partition('{name}')
    suffix = rest.rpartition('{name}')[2]
    root = Path(folder, prefix)
    found = sorted(
        path
        for path in root.glob(form.box_file.removeprefix(prefix).replace('{name}', '*'))
        if not path.name.startswith('.')
    )
    names = [path.name.removesuffix(suffix) for path in found]
    files = {
        name: path_below(folder, form.box_file.format(name=name), 'sequence') for name in names
    }
    names = [name for name, path in zip(names, found, strict=True) if path == files[name]]
    # A sequence may be called like a side file of another: what holds boxes is one.
    sides = {name + side for name in names for side in SIDE_FILES}
    names = [name for name in names if name not in sides or not is_side_file(files[name])]
    if not names:
        raise ResultError(
            folder, f'holds no result in the format of {form.reader}: {form.box_file}'
        )
    return names


def read_result(folder: str | Path, name: str, form: ResultFormat) -> OnePassBoxes:
    """Read one sequence.

    Raises:
        ResultError: Missing or malformed, an impossible box, or the files hold more than one run or
            no first box.
    """
    file = path_below(folder, form.box_file.format(name=name), 'sequence')
    if form.starts_with_code:
        raise ResultError(
            file, f'holds no box for the first frame, so {form.reader} results cannot be converted'
        )
    others = (
        sorted(path.name for path in file.parent.glob(f'{glob.escape(name)}_[0-9][0-9][0-9].txt'))
        if '_001' in form.box_file
        else []
    )
    if len(others) > 1:
        raise ResultError(
            file.parent, f'holds {len(others)} repetitions ({", ".join(others)}); one is wanted'
        )
    boxes = xywh_to_xyxy(read_numbers(file, 4) - _shift(form))
    impossible = unusable_boxes(boxes)
    if impossible:
        raise ResultError(file, impossible)
    times = (
        None
        if form.time_file is None
        else path_below(folder, form.time_file.format(name=name), 'sequence')
    )
    return OnePassBoxes(
        boxes,
        read_numbers(times, 1, len(boxes))[:, 0]
        if times is not None and is_side_file(times)
        else None,
    )


def write_result(folder: str | Path, name: str, result: OnePassBoxes, form: ResultFormat) -> None:
    """Write one sequence, each file whole or not at all.

    Raises:
        ResultError: The format cannot hold the result, or the folder cannot be written to.
    """
    file = path_below(folder, form.box_file.format(name=name), 'sequence')
    _check_complete(file, result, form)
    rows = xyxy_to_xywh(result.boxes_xyxy) + _shift(form)
    if (
        form.time_file is not None
        and result.seconds is not None
        and np.isfinite(result.seconds).all()
    ):
        write_numbers(
            path_below(folder, form.time_file.format(name=name), 'sequence'), result.seconds, '%.8f'
        )
    if form.starts_with_code:
        write_lines(
            file,
            [
                '1',
                *(
                    form.separator.join(f'{value:.{form.decimals}f}' for value in row)
                    for row in rows[1:]
                ),
            ],
        )
    else:
        write_numbers(file, rows, f'%.{form.decimals}f', form.separator)


def write_lines(file: Path, lines: list[str]) -> None:
    """Write a text file whole or not at all.

    Raises:
        ResultError: It cannot be written.
    """
    try:
        write_text(file, '\n'.join(lines) + '\n')
    except OSError as error:
        raise ResultError(file, f'cannot be written ({write_cause(error, file)})') from error


def repeat_last(result: OnePassBoxes) -> OnePassBoxes:
    """The last known box in place of every missing one."""
    known = np.isfinite(result.boxes_xyxy).all(1)
    last = np.maximum.accumulate(np.where(known, np.arange(len(known)), 0))
    return OnePassBoxes(result.boxes_xyxy[last], result.seconds)


def convert(
    source: str | Path,
    source_form: ResultFormat,
    target: str | Path,
    target_form: ResultFormat,
    repeat: bool = False,
) -> list[str]:
    """Convert the results of all sequences; nothing is written before all of them have been read.

    Args:
        source: Folder of one tracker's results.
        source_form: See :func:`format_of`.
        target: Folder to write; it has to be new or empty, so that two runs are never mixed.
        target_form: See :func:`format_of`.
        repeat: Write the last known box where one is missing.

    Returns:
        Names of the sequences.

    Raises:
        ResultError: A result cannot be read, the other format cannot hold it, or the target is not
            empty.
    """
    target = Path(target)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ResultError(target, 'is not an empty folder; results of two runs are not mixed')
    results = dict(_read_all(Path(source), source_form))
    if repeat:
        results = {name: repeat_last(result) for name, result in results.items()}
    for name, result in results.items():
        _check_complete(Path(source, source_form.box_file.format(name=name)), result, target_form)
    for name, result in results.items():
        write_result(target, name, result, target_form)
    return list(results)


def _read_all(folder: Path, form: ResultFormat) -> Iterator[tuple[str, OnePassBoxes]]:
    for name in find_names(folder, form):
        yield name, read_result(folder, name, form)


def _check_complete(file: Path, result: OnePassBoxes, form: ResultFormat) -> None:
    """Refuse missing boxes where the format has no word for them."""
    missing = np.flatnonzero(np.isnan(result.boxes_xyxy).any(1))
    if len(missing) and not form.holds_nan:
        cause = (
            f'{len(missing)} boxes are missing, the first in line {missing[0] + 1}, which '
            f'{form.reader} does not know'
        )
        raise ResultError(file, f'{cause}; ask for the last box to be repeated')


def _shift(form: ResultFormat) -> np.ndarray:
    return np.array([form.origin, form.origin, 0, 0], np.float64)
