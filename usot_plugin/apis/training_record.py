"""What weights have learnt from, as plain data without machine paths: the run that made them, its
tables, sequences and clips."""

from __future__ import annotations

import ast
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from usot_plugin.discovery.table.reading import read_table, sorted_parts, table_batches
from usot_plugin.utils.checkpoint import CheckpointError
from usot_plugin.utils.config import ConfigError, runner_keys

#: Columns of a table that differ between machines for equal clips.
MACHINE_COLUMNS = frozenset({'path', 'detail'})
#: MMEngine writes its version and the commit of the working folder as one word.
TRAILING_COMMIT = re.compile(r'[0-9a-f]{40}$')


def training_config(meta: Mapping[str, Any], path: str | Path) -> dict[str, Any]:
    """The config of the run that wrote a checkpoint, variables of the file left out; nothing of it
    is run.

    Args:
        meta: ``meta`` of the checkpoint.
        path: The checkpoint, for messages.

    Raises:
        CheckpointError: There is no config in it, or more than plain values.
    """
    text = meta.get('cfg')
    if not isinstance(text, str):
        raise CheckpointError(
            path,
            'meta.cfg is missing: only checkpoints of tools/train.py say how they were trained',
        )
    known, config = runner_keys(), {}
    try:
        for statement in ast.parse(text).body:
            if not isinstance(statement, ast.Assign) or not isinstance(
                statement.targets[0], ast.Name
            ):
                raise ValueError(f'line {statement.lineno} is no assignment')
            if statement.targets[0].id in known:
                config[statement.targets[0].id] = _plain_value(statement.value)
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError) as error:
        raise CheckpointError(path, f'meta.cfg cannot be read as plain values: {error}') from error
    return config


def _plain_value(node: ast.expr) -> Any:
    """The value of a literal, with ``dict(...)``, ``inf`` and ``nan`` as MMEngine writes them.

    Raises:
        ValueError: It is anything else.
    """
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == 'dict':
        mappings = [
            _plain_value(item) for item in node.args
        ]  # at most one, of keys that are no names
        return dict(
            *mappings,
            **{
                word.arg: _plain_value(word.value) for word in node.keywords if word.arg is not None
            },
        )
    if isinstance(node, ast.Dict):
        return {
            ast.literal_eval(key): _plain_value(value)
            for key, value in zip(node.keys, node.values, strict=True)
            if key is not None
        }
    if isinstance(node, (ast.List, ast.Tuple)):
        values = [_plain_value(item) for item in node.elts]
        return values if isinstance(node, ast.List) else tuple(values)
    if isinstance(node, ast.Name) and node.id in ('inf', 'nan'):
        return float(node.id)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_plain_value(node.operand)
    if isinstance(node, ast.Constant):
        return node.value
    raise ValueError(f'line {node.lineno}: {ast.unparse(node)[:60]}')


def run_record(meta: Mapping[str, Any]) -> dict[str, Any]:
    """Epoch, iteration, seed, name and time of the run, and the commit it ran at, as far as a
    checkpoint's ``meta`` says so.

    ``code`` is the commit at the run's start. Where no
    :class:`~usot_plugin.engine.hooks.RunRecordHook` has left it, ``code_when_saved`` is the commit
    of the working folder when the checkpoint was written.
    """
    record = {key: meta[key] for key in ('epoch', 'iter', 'seed') if isinstance(meta.get(key), int)}
    record |= {
        key: meta[key]
        for key in ('experiment_name', 'time', 'code')
        if isinstance(meta.get(key), str)
    }
    commit = TRAILING_COMMIT.search(str(meta.get('mmengine_version')))
    if 'code' not in record and commit is not None:
        record['code_when_saved'] = commit[0]
    return record


def without_machine_paths(node: Any) -> Any:
    """A copy of plain data in which every absolute path is its last name."""
    if isinstance(node, Mapping):
        return {key: without_machine_paths(value) for key, value in node.items()}
    if isinstance(node, (list, tuple)):
        return type(node)(without_machine_paths(value) for value in node)
    if isinstance(node, str):
        path = next(
            (kind(node) for kind in (PurePosixPath, PureWindowsPath) if kind(node).is_absolute()),
            None,
        )
        return node if path is None else path.name
    return node


def table_record(path: str | Path) -> dict[str, Any]:
    """What a pseudo-box table is; ``sha256`` is over its rows in order, without the columns that
    differ between machines."""
    root = Path(path)
    table = read_table(root)
    digest = hashlib.sha256()
    for batch in table_batches(
        [file for _, file in sorted_parts(root)] if root.is_dir() else [root]
    ):
        for row in batch.to_pylist():
            kept = {name: value for name, value in row.items() if name not in MACHINE_COLUMNS}
            digest.update(json.dumps(kept, sort_keys=True).encode() + b'\n')
    record = {
        'table': root.resolve().name,
        'rows': len(table),
        'samplable': len(table.samplable()),
        'discovery_config': table.info.config_hash,
        'sha256': digest.hexdigest(),
    }
    return (
        {**record, 'relabelled': without_machine_paths(list(table.info.rounds))}
        if table.info.rounds
        else record
    )


def clips_record(tables: Iterable[str | Path]) -> dict[str, str | None]:
    """Every clip of the tables with the SHA-256 of its file, of a folder of images that of
    :func:`files_hash`; None where it is gone."""
    found: dict[str, str | None] = {}
    for table in map(read_table, tables):
        for clip, place in sorted(
            set(zip(table.column('clip'), table.column('path'), strict=True))
        ):
            found[clip] = _clip_hash(Path(place)) or found.get(clip)
    return found


def files_record(clips: Mapping[str, Path]) -> dict[str, str | None]:
    """Clips by name with the SHA-256 of their files, as :func:`clips_record` gives it."""
    return {name: _clip_hash(place) for name, place in sorted(clips.items())}


def _clip_hash(file: Path) -> str | None:
    """SHA-256 of a video, or of the images of a folder; None where there is neither."""
    if file.is_dir():
        return files_hash(file, _files_below(file))
    return file_hash(file) if file.is_file() else None


def sequences_record(path: str | Path) -> dict[str, Any]:
    """What a folder of annotated sequences is.

    Raises:
        ConfigError: There is no file in it.
    """
    root = Path(path)
    files = _files_below(root)
    if not files:
        raise ConfigError(f'{path}: no files in this folder')
    return {
        'sequences': root.resolve().name,
        'files': len(files),
        'sha256': files_hash(root, files),
    }


def _files_below(root: Path) -> list[Path]:
    return [file for file in root.rglob('*') if file.is_file() and not file.name.startswith('.')]


def files_hash(root: Path, files: Iterable[Path]) -> str:
    """SHA-256 over names below ``root`` and bytes, in order of the names."""
    digest = hashlib.sha256()
    for file in sorted(files):
        digest.update(f'{file.relative_to(root).as_posix()}:{file_hash(file)};'.encode())
    return digest.hexdigest()


def file_hash(file: Path) -> str:
    """SHA-256 of a file's bytes."""
    digest = hashlib.sha256()
    with file.open('rb') as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
