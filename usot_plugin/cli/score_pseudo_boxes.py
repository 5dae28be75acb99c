"""Hold pseudo boxes against real ones on annotated sequences (Table 5 of the USOT paper).

SEQUENCES holds one folder per sequence: frames in img/ (or in the folder itself) and
groundtruth.txt with x, y, w, h per frame (0-based, commas or blanks; nan = target absent).
Discovery runs on the frames and never sees the boxes.

    usot score-boxes configs/discovery/default.py data/eval --out work_dirs/boxes_eval

With --annotation FILE (CocoVID, TAO) the sequences are the videos of that file, SEQUENCES is the
folder that their names are relative to, and of several annotated objects the one counts that a box
overlaps most:

    usot score-boxes configs/discovery/default.py data/imagenet_vid/Data/VID \\
        --annotation data/imagenet_vid/annotations/imagenet_vid_train.json \\
        --table data/pseudo_boxes/imagenet_vid --out work_dirs/vid

The folder --out gets boxes/ (the pseudo-box table; a second run goes on with it), scores.json and
scores.csv.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import os
import sys
from collections import defaultdict
from collections.abc import Callable
from io import StringIO
from itertools import groupby
from pathlib import Path

import numpy as np

from usot_plugin.datasets import boxes_by_video
from usot_plugin.datasets.benchmarks.annotations import (
    AnnotationError,
    parse_boxes_xywh,
    parse_labels,
)
from usot_plugin.discovery.config import DiscoveryConfig
from usot_plugin.discovery.config_file import load_discovery
from usot_plugin.discovery.many_clips.local_engine import WorkerStartError
from usot_plugin.discovery.many_clips.pipeline import RunOptions, TableWriteError, discover_clips
from usot_plugin.discovery.table.format import TableError, TableInfo
from usot_plugin.discovery.table.reading import PseudoBoxRow, PseudoBoxTable, read_table
from usot_plugin.evaluation.pseudo_boxes import (
    SequenceScore,
    format_scores,
    score_sequence,
    total_scores,
)
from usot_plugin.utils.atomic import write_bytes
from usot_plugin.utils.cli import FINE, PARTIAL, USER_ERROR, exit_status, tool_parser
from usot_plugin.utils.config import add_config_options

ANNOTATION, ABSENCE, FRAMES = 'groundtruth.txt', 'absence.label', 'img'


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    statuses = {
        FINE: 'all scored',
        PARTIAL: 'some sequences could not be read',
        USER_ERROR: 'wrong arguments, config or table',
    }
    parser = tool_parser(__doc__, statuses)
    parser.add_argument('config', help='discovery config')
    parser.add_argument('sequences', help='folder of annotated sequences, or one of them')
    parser.add_argument(
        '--out', required=True, metavar='DIR', help='folder for the table and the scores'
    )
    parser.add_argument(
        '--table',
        help='score this table instead of running discovery (its clips are named like the '
        'sequences)',
    )
    parser.add_argument(
        '--annotation', metavar='FILE', help='boxes of all sequences in one CocoVID file'
    )
    parser.add_argument(
        '--workers', type=int, metavar='N', help='clips at once (default: one per CPU)'
    )
    parser.add_argument(
        '--draws',
        type=int,
        default=200,
        metavar='N',
        help='training groups drawn per sequence (default: 200)',
    )
    add_config_options(parser, 'e.g. discovery.frames.eval_gap=1')
    args = parser.parse_args(argv)
    if args.draws < 1:
        parser.error(f'--draws must be at least 1, not {args.draws}')
    return args


def find_sequences(root: Path) -> dict[str, Path]:
    """Folder of each sequence by its name.

    Raises:
        ValueError: There is none.
    """
    if not root.is_dir():
        raise ValueError(f'{root}: no such folder of sequences')
    folders = [root] if (root / ANNOTATION).exists() else []
    if not folders:
        for place, below, files in os.walk(root, followlinks=True):
            if ANNOTATION in files:
                folders.append(Path(place))
                below.clear()  # frames, masks
        folders.sort()
    if not folders:
        raise ValueError(
            f'{root}: no annotated sequence in it (<sequence>/{ANNOTATION} and '
            f'<sequence>/{FRAMES}/)'
        )
    return {
        folder.name if folder == root else folder.relative_to(root).as_posix(): folder
        for folder in folders
    }


def frames_of(folder: Path) -> Path:
    """Folder of the frames of a sequence."""
    return folder / FRAMES if (folder / FRAMES).is_dir() else folder


def read_truth(folder: Path, frame_count: int) -> np.ndarray:
    """Annotated boxes ``(T, 4)`` xyxy, nan where the target is absent.

    Raises:
        AnnotationError: The file is malformed, or does not have a line for each frame.
    """
    boxes = parse_boxes_xywh(folder / ANNOTATION)
    if (folder / ABSENCE).exists():
        absent = parse_labels(folder / ABSENCE)
        if len(absent) != len(boxes):
            raise AnnotationError(folder / ABSENCE, f'{len(absent)} labels for {len(boxes)} boxes')
        boxes[absent] = np.nan
    if len(boxes) != frame_count:
        raise AnnotationError(folder / ANNOTATION, f'{len(boxes)} boxes for {frame_count} frames')
    return boxes


def table_of(
    args: argparse.Namespace, config: DiscoveryConfig, imports: list[str], folders: dict[str, Path]
) -> PseudoBoxTable:
    """The table to score, made where none is given."""
    if args.table is None:
        clips = {name: frames_of(folder) for name, folder in folders.items()}
        discover_clips(
            clips,
            config,
            Path(args.out) / 'boxes',
            RunOptions(workers=args.workers, imports=imports),
        )
        return read_table(Path(args.out) / 'boxes')
    table = read_table(args.table)
    wanted = TableInfo(config.to_dict(), rounds=table.info.rounds)
    if table.info.config_hash != wanted.config_hash:
        raise TableError(
            f'{args.table}: made with another discovery config '
            f'({"; ".join(table.info.differences(wanted))})'
        )
    return table


def find_rows(table: PseudoBoxTable) -> Callable[[str], list[PseudoBoxRow] | None]:
    """Looks up the rows of a sequence: by its name, with its folder of frames, or by the last part
    of it where that is unique."""
    rows = {clip: list(group) for clip, group in groupby(table.rows, key=lambda row: row.clip)}
    last: dict[str, list[str]] = defaultdict(list)
    for clip in rows:
        last[clip.rpartition('/')[2]].append(clip)

    def find(name: str) -> list[PseudoBoxRow] | None:
        alike = last[name.rpartition('/')[2]]
        return (
            rows.get(name)
            or rows.get(f'{name}/{FRAMES}')
            or (rows[alike[0]] if len(alike) == 1 else None)
        )

    return find


def score_all(
    table: PseudoBoxTable,
    folders: dict[str, Path],
    draws: int,
    truths: dict[str, np.ndarray] | None = None,
) -> tuple[list[SequenceScore], int]:
    """Scores of all sequences that can be read, and the number of the others, which are named."""
    rows_of = find_rows(table)
    scores, failed = [], 0
    for name, folder in folders.items():
        found = rows_of(name)
        try:
            if found is None:
                raise AnnotationError(folder, f'the table {table.path} has no clip of this name')
            frame_count = found[0].frame_count
            if not frame_count:
                raise AnnotationError(folder, found[0].detail)
            truth = read_truth(folder, frame_count) if truths is None else truths[name]
            if truth.shape[-2] > frame_count:  # with --annotation a frame is its number
                raise AnnotationError(
                    folder,
                    f'frame {truth.shape[-2] - 1} is annotated, and there are {frame_count} frames',
                )
            scores.append(score_sequence(name, found, truth, draws))
        except AnnotationError as error:
            print(f'not scored: {error}', file=sys.stderr)
            failed += 1
    return scores, failed


def write_scores(
    out: Path, scores: list[SequenceScore], total: dict[str, float], config: DiscoveryConfig
) -> None:
    """``scores.json`` and ``scores.csv``."""
    rows = [score.flat() for score in scores]
    report = {'total': total, 'sequences': rows, 'discovery': config.to_dict()}
    write_bytes(out / 'scores.json', json.dumps(_without_nan(report), indent=2).encode())
    text = StringIO()
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    write_bytes(out / 'scores.csv', text.getvalue().encode())


def _without_nan(value):
    """JSON has no nan: null."""
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def score(args: argparse.Namespace) -> int:
    """Score, print, write; returns the exit status."""
    out = Path(args.out)
    config, imports = load_discovery(args.config, args.cfg_options)
    truths = boxes_by_video(args.annotation) if args.annotation else None
    root = Path(args.sequences)
    folders = find_sequences(root) if truths is None else {name: root / name for name in truths}
    out.mkdir(parents=True, exist_ok=True)
    scores, failed = score_all(
        table_of(args, config, imports, folders), folders, args.draws, truths
    )
    if not scores:
        raise ValueError(f'{args.sequences}: no sequence could be scored')
    total = total_scores(scores)
    write_scores(out, scores, total, config)
    print(format_scores(scores, total))
    return PARTIAL if failed else FINE


def main(argv: list[str] | None = None) -> int:
    """Run the tool; returns its exit status."""
    args = parse_args(argv)
    return exit_status(
        lambda: score(args),
        (AnnotationError, TableError, TableWriteError, WorkerStartError),
        args.out,
    )


if __name__ == '__main__':
    sys.exit(main())
