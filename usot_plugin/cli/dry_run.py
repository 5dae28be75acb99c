"""``--dry-run`` of the tools that write or run for long: everything is checked, nothing is
written."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .preflight import config_inputs

if TYPE_CHECKING:
    from mmengine.config import Config


def add_dry_run(parser: argparse.ArgumentParser) -> None:
    """The option, the same for each tool."""
    parser.add_argument(
        '--dry-run',
        action='store_true',
        help='check everything, show what would be read, built and written, and write nothing',
    )


def show_plan(
    *,
    config: str | Path | None = None,
    options: Mapping[str, Any] | None = None,
    reads: Iterable[object] = (),
    builds: Iterable[object] = (),
    writes: Iterable[str | Path | None] = (),
    device: object = None,
) -> None:
    """Print what a run would do; a tool calls it in place of its work.

    Args:
        config: File of the config.
        options: What the command line changes in it.
        reads: Files and folders, with their numbers of clips or sequences.
        builds: Models, data sets, trackers.
        writes: Files or folders; None is passed over. What is there already is marked.
        device: Where the work is done.
    """
    lines = []
    if config is not None:
        lines.append(('config', str(config)))
    lines += [('changed', f'{key} = {value!r}') for key, value in (options or {}).items()]
    lines += [('reads', str(one)) for one in reads]
    lines += [('builds', str(one)) for one in builds]
    lines += [('writes', _with_state(Path(one))) for one in writes if one is not None]
    if device is not None:
        lines.append(('device', str(device)))
    print('dry run: nothing is written')
    for name, text in lines:
        print(f'  {name:8} {text}')


def data_lines(cfg: Config, loaders: Iterable[str]) -> list[str]:
    """What the data sets of a config read, each with its key and, where it is quick, its size."""
    lines = []
    for key, kind, path in config_inputs(cfg, loaders):
        lines.append(f'{table_line(path) if kind == "table" else path} ({key})')
    return lines


def table_line(path: str | Path) -> str:
    """A pseudo-box table with its numbers, read without the copy that ``read_table`` leaves.

    Raises:
        TableError: There is no table, or it cannot be read.
    """
    from usot_plugin.discovery.table.format import KEPT, TableError
    from usot_plugin.discovery.table.reading import common_info, sorted_parts, table_batches

    root = Path(path)
    files = [file for _, file in sorted_parts(root)] if root.is_dir() else [root]
    if not files:
        raise TableError(f'{path}: no part of a pseudo-box table in it')
    common_info(files)
    clips: set[str] = set()
    kept = 0
    for batch in table_batches(files):
        clips.update(batch.column('clip').to_pylist())
        kept += sum(status == KEPT for status in batch.column('status').to_pylist())
    return f'{path}: {len(clips)} clips, {kept} kept tracks'


def _with_state(path: Path) -> str:
    if path.is_dir() and any(path.iterdir()):
        return f'{path} (a folder that is there, with {sum(1 for _ in path.iterdir())} entries)'
    return f'{path} (is there)' if path.is_file() else str(path)
