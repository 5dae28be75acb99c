"""Weights files that carry their own config, and those of them that ship with the package.

A weights file is plain data, and so is its config here: nothing of it is imported or run, and it
can only name parts that are registered.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.config.config import RESERVED_KEYS
from mmengine.logging import print_log

import usot_plugin
from usot_plugin.registry import MODELS, TASK_UTILS
from usot_plugin.tracking import FunctionTracker, needs_model
from usot_plugin.utils.checkpoint import CheckpointError, load_checkpoint
from usot_plugin.utils.config import ConfigError, check_config, nearest, typed_nodes

#: Name of the tracker that is used where none is asked for.
DEFAULT_PRETRAINED = 'usot_mobile'
#: Where the shipped weights lie.
PRETRAINED_FOLDER = Path(usot_plugin.__path__[0]) / 'pretrained'
#: Their SHA-256, as ``sha256sum *.pth`` writes it.
DIGESTS = 'SHA256SUMS'
#: Key of a packed file that holds its config and where it comes from.
RECORD_KEY = 'packed'
#: Why weights alone are not enough.
NO_CONFIG = (
    'carries no config of its own, and none lies beside it: give the config, '
    'or pack it with tools/pack_pretrained.py'
)
#: What may stand before the dot of a registered name; MMEngine would import anything else.
KNOWN_SCOPES = frozenset({'', 'mmdet', 'mmengine', 'usot_plugin'})
#: Keys that MMEngine acts upon wherever it reads a config (they import, merge or run), and those
#: that its Config keeps for itself.
ACTED_UPON = frozenset({'custom_imports', '_base_', '_delete_', '_deprecation_', *RESERVED_KEYS})


def pretrained_path(name: str = DEFAULT_PRETRAINED) -> Path:
    """File of weights that ship with the package.

    Raises:
        CheckpointError: There is none of this name, or it is not the one that was shipped.
    """
    path = PRETRAINED_FOLDER / f'{name}.pth'
    shipped = sorted(file.stem for file in PRETRAINED_FOLDER.glob('*.pth'))
    if name not in shipped:
        known = ', '.join(shipped) or 'none'
        raise CheckpointError(
            path,
            f'no pretrained weights {name!r} in this package{nearest(name, shipped)} (there: '
            f'{known})',
        )
    from .training_record import file_hash  # reads tables, which this module need not

    digest = _shipped_digests().get(path.name)
    if digest is not None and file_hash(path) != digest:
        raise CheckpointError(
            path, f'damaged: its SHA-256 is not the one in {DIGESTS}; install the package again'
        )
    return path


def _shipped_digests() -> dict[str, str]:
    """File name to SHA-256 of the weights that ship with the package, as ``sha256sum`` writes
    them."""
    file = PRETRAINED_FOLDER / DIGESTS
    lines = file.read_text(encoding='utf-8').splitlines() if file.is_file() else []
    return {name: digest for digest, name in (line.split() for line in lines if line.strip())}


def packed_file(checkpoint: str | Path | None) -> str | Path:
    """A weights file: the default one for None, a shipped one by its name, and any other path as it
    is.

    Raises:
        CheckpointError: A plain word that is neither a file nor the name of shipped weights.
    """
    if checkpoint is None:
        return pretrained_path()
    path = Path(checkpoint)
    if path.suffix or len(path.parts) != 1 or path.exists():
        return checkpoint
    return pretrained_path(path.name)


def packed_record(path: str | Path) -> dict[str, Any]:
    """What a packed weights file says of itself.

    Args:
        path: Written by ``tools/pack_pretrained.py``.

    Returns:
        ``config`` (of the run, ``model.test_cfg`` as it was chosen after it), ``trained`` (see
        :func:`~usot_plugin.apis.training_record.run_record`), ``data`` (a dict with hashes for each
        data set), ``clips`` (name to SHA-256), ``weights`` (which of the checkpoint's) and
        ``packed_at`` (versions at packing).

    Raises:
        CheckpointError: The file cannot be read, or was not packed.
    """
    content = load_checkpoint(path)
    record = content.get(RECORD_KEY) if isinstance(content, Mapping) else None
    if not isinstance(record, dict) or not isinstance(record.get('config'), dict):
        raise CheckpointError(path, NO_CONFIG)
    return record


def carried_config(path: str | Path) -> Config:
    """The config that belongs to a weights file; a line of the log says where it was found.

    Taken is, in this order, the config of a packed file, the one that a training wrote into its
    checkpoint, or the one that it left beside the checkpoint. All are read as plain values: nothing
    of them is run.

    Raises:
        CheckpointError: The file cannot be read, has no config, or several files beside it could
            be its config.
    """
    content = load_checkpoint(path)
    if isinstance(content, Mapping) and RECORD_KEY in content:
        return packed_config(path)
    from .training_record import training_config

    meta = content.get('meta') if isinstance(content, Mapping) else None
    if isinstance(meta, Mapping) and 'cfg' in meta:
        config = checked_config(training_config(meta, path), path)
        print_log(f'{path}: its config is the one of its training, kept in it', 'current')
        return config
    beside = _configs_beside(Path(path))
    if not beside:
        raise CheckpointError(path, NO_CONFIG)
    if len(beside) > 1:
        names = ', '.join(str(file) for file in beside)
        raise CheckpointError(path, f'which config is its own? Give one of them: {names}')
    ((file, text),) = beside.items()
    config = checked_config(training_config({'cfg': text}, file), file)
    print_log(f'{path}: its config is {file}', 'current')
    return config


def _configs_beside(path: Path) -> dict[Path, str]:
    """Configs in the folder of a checkpoint, as MMEngine dumps them: one with a model in it."""
    from .training_record import training_config

    found = {}
    for file in sorted(path.expanduser().parent.glob('*.py')):
        try:
            text = file.read_text(encoding='utf-8')
            if 'model' in training_config({'cfg': text}, file):
                found[file] = text
        except (OSError, UnicodeDecodeError, CheckpointError):
            continue  # a script, or a config that is a program
    return found


def packed_config(path: str | Path) -> Config:
    """The config that a packed weights file carries, its model and tracker checked.

    Raises:
        CheckpointError: The file cannot be read, was not packed, or its config names what is not
            registered.
    """
    return checked_config(packed_record(path)['config'], path)


def checked_config(config: dict[str, Any], path: str | Path) -> Config:
    """A config out of a weights file, its model and tracker checked.

    Args:
        config: Plain values.
        path: The file, for messages.

    Raises:
        CheckpointError: It names what is not registered.
    """
    model = config.get('model')
    try:
        if not isinstance(model, dict) or not isinstance(model.get('test_cfg'), dict):
            raise ConfigError('it has no model with a tracker')
        model = _plain_values(model, 'model')
        for where, node in typed_nodes({'model': model}):
            if (
                not isinstance(node['type'], str)
                or node['type'].rpartition('.')[0] not in KNOWN_SCOPES
            ):
                raise ConfigError(
                    f'{where}.type = {node["type"]!r} is not the name of a registered part'
                )
        # The model alone: how the data were made does not matter any more.
        check_config(Config({'model': model}), 'its config')
        for where, node in typed_nodes({'model': model}):
            _check_part(node['type'], where)
        if not needs_model(model['test_cfg']):
            raise ConfigError(
                f'model.test_cfg.type = {model["test_cfg"].get("type")!r} is no tracker of a '
                'network'
            )
    except ValueError as error:
        raise CheckpointError(path, f'its config cannot be used: {error}') from error
    # A record of the run, of which nothing is built; what MMEngine acts upon when it sees it is
    # left out all the same.
    rest = {
        key: value
        for key, value in config.items()
        if isinstance(key, str) and key not in ACTED_UPON
    }
    if rest.get('default_scope') not in KNOWN_SCOPES:
        rest.pop('default_scope', None)
    return Config({**rest, 'model': model})


def _plain_values(node: Any, where: str) -> Any:
    """A copy of what a weights file says of its model: values only, and no key that MMEngine would
    act upon.

    ``init_cfg`` is left out: it says where weights come from, and they are here.

    Raises:
        ConfigError: A key or value that is more than a value.
    """
    if isinstance(node, dict):
        for key in node:
            if (
                not isinstance(key, str)
                or key in ACTED_UPON
                or (key.startswith('_') and key != '_scope_')
            ):
                raise ConfigError(f'{where}.{key} does not belong into a weights file')
        if '_scope_' in node and node['_scope_'] not in KNOWN_SCOPES - {''}:
            raise ConfigError(f'{where}._scope_ = {node["_scope_"]!r} is not a known package')
        return {
            key: _plain_values(value, f'{where}.{key}')
            for key, value in node.items()
            if key != 'init_cfg'
        }
    if isinstance(node, list | tuple):
        return type(node)(
            _plain_values(value, f'{where}.{index}') for index, value in enumerate(node)
        )
    if node is not None and not isinstance(node, str | int | float | bool):
        raise ConfigError(f'{where} is a {type(node).__name__}, not a plain value')
    return node


def _check_part(name: str, where: str) -> None:
    """Refuse a type that a registry of models would not find as it is: MMEngine takes a dotted name
    for a place to import from then.

    Raises:
        ConfigError: It is no part of a model, or one that runs a Python file.
    """
    scope, _, plain = name.rpartition('.')
    for registry in (MODELS, TASK_UTILS):
        registry.import_from_location()
        if scope == 'mmdet':
            registry = registry.children.get(scope, registry)
        if plain in registry.module_dict and registry.module_dict[plain] is not FunctionTracker:
            return
    raise ConfigError(f'{where}.type = {name!r} is no part of a model')
