"""Reading a config, with one clear line for what is wrong in it."""

from __future__ import annotations

import argparse
import ast
import difflib
import inspect
import logging
from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from mmengine.config import Config, DictAction
from mmengine.logging import print_log
from mmengine.registry import Registry, root
from mmengine.runner import Runner

from .host import HostError, import_scope
from .old_configs import old_bases, old_config
from .packaged import find_config, names_near

#: Top-level keys that MMEngine's Runner reads besides the arguments of its constructor.
EXTRA_RUNNER_KEYS = frozenset(
    {
        'activation_checkpointing',
        'compile',
        'custom_imports',
        'efficient_conv_bn_eval',
        'env_cfg',
        'find_unused_parameters',
        'model_wrapper_cfg',
        'runner_type',
        'strategy',
        'sync_bn',
        'vis_backends',
    }
)
#: A key this similar to one that means something is a slip, not a variable of the config's own.
SLIP_SIMILARITY = 0.9
#: Classes whose arguments are compared with the config: ours and the parts of MMEngine that are
#: built from nothing else.
CHECKED_MODULES = (
    'usot_plugin.',
    'mmengine.hooks.',
    'mmengine.runner.loops',
    'mmengine.optim.scheduler.',
)
#: Keys that registries and the Runner take out before the class sees them.
BUILD_KEYS = frozenset({'type', '_scope_', 'priority', 'convert_to_iter_based', '_delete_'})
#: Characters of the cause in a message.
LONGEST_CAUSE = 300


#: What MMEngine's Runner takes each key for; several are read before anything is built.
KEY_FORMS: Mapping[str, tuple[type, ...]] = {
    **dict.fromkeys(
        (
            'model',
            'train_cfg',
            'val_cfg',
            'test_cfg',
            'optim_wrapper',
            'default_hooks',
            'env_cfg',
            'randomness',
        ),
        (dict,),
    ),
    **dict.fromkeys(
        (
            'train_dataloader',
            'val_dataloader',
            'test_dataloader',
            'auto_scale_lr',
            'visualizer',
            'log_processor',
        ),
        (dict,),
    ),
    **dict.fromkeys(('val_evaluator', 'test_evaluator', 'param_scheduler'), (dict, list, tuple)),
    **dict.fromkeys(('custom_hooks', 'vis_backends'), (list, tuple)),
    **dict.fromkeys(
        ('work_dir', 'load_from', 'default_scope', 'launcher', 'experiment_name'), (str,)
    ),
}


class ConfigError(ValueError):
    """A config cannot be read or means nothing; the message is one line that names the file and the
    key."""


class ConfigOptions(DictAction):
    """MMEngine's parser of ``--cfg-options KEY=VALUE``; what it cannot take is one line instead of
    a traceback."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        try:
            super().__call__(parser, namespace, values, option_string)
        except (
            ValueError,
            AssertionError,
            IndexError,
            KeyError,
            TypeError,
            RecursionError,
            SyntaxError,
        ) as error:
            given = ' '.join(str(value) for value in values)[:LONGEST_CAUSE]
            raise argparse.ArgumentError(
                self, f'{given!r} is no list of KEY=VALUE ({_first_line(error)})'
            ) from error


def add_config_options(
    parser: argparse.ArgumentParser, purpose: str = 'override keys of the config'
) -> None:
    """``--cfg-options KEY=VALUE ...`` of a tool, kept as ``cfg_options``."""
    parser.add_argument(
        '--cfg-options', nargs='+', action=ConfigOptions, metavar='KEY=VALUE', help=purpose
    )


def nearest(name: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """``", did you mean 'x'?"``, or nothing where nothing is near."""
    found = difflib.get_close_matches(name, list(known), n=1, cutoff=cutoff)
    return f', did you mean {found[0]!r}?' if found else ''


def load_config(path: str | Path, options: Mapping[str, Any] | None = None) -> Config:
    """Read a config file, apply ``--cfg-options`` and check it.

    Args:
        path: A Python config of MMEngine; :func:`~usot_plugin.utils.packaged.find_config` says
            where it is looked up. A path, or a ``_base_`` in the file, that a config of this
            package had in the release before is followed with a warning.
        options: Dotted keys and their new values.

    Raises:
        ConfigError: No such file, it cannot be read, or :func:`check_config` refuses it.
    """
    path = find_config(path)  # as messages name it
    file = path if path.is_file() else old_config(path)
    if file is None:
        raise ConfigError(f'{path}: no such config{nearest(path.name, names_near(path))}')
    refuse_base_loops(file)
    try:
        cfg = _read(file)
    except (Exception, SystemExit) as error:  # a config is a program, which may raise anything
        raise ConfigError(
            f'{path}: cannot be read as a config: {type(error).__name__}: {_first_line(error)}'
        ) from error
    known = {*cfg, *runner_keys()}
    for key in options or {}:
        if key.split('.')[0] not in known:
            raise ConfigError(
                f'--cfg-options {key}: {path} has no key '
                f'{key.split(".")[0]!r}{nearest(key.split(".")[0], known)}'
            )
    try:
        cfg.merge_from_dict(dict(options or {}))
    except (
        KeyError,
        TypeError,
        IndexError,
        AssertionError,
        ValueError,
        AttributeError,
        RecursionError,
    ) as error:
        raise ConfigError(
            f'--cfg-options {" ".join(options or {})}: {_first_line(error)}'
        ) from error
    try:
        import_scope(cfg.get('default_scope'))
    except HostError as error:
        raise ConfigError(f'{path}: {error}') from error
    check_config(cfg, path)
    return cfg


def _read(path: Path) -> Config:
    try:
        return Config.fromfile(path)
    except FileNotFoundError:  # perhaps a base by the path that it had before
        with old_bases():
            return Config.fromfile(path)


def refuse_base_loops(path: Path, above: tuple[Path, ...] = ()) -> None:
    """Refuse a config whose ``_base_`` leads back to itself, which MMEngine would follow without
    end.

    The files are parsed and not run; what MMEngine has to say about any other mistake is left to
    it.

    Raises:
        ConfigError: The chain of files that closes the circle.
    """
    here = path.resolve()
    if here in above:
        chain = ' -> '.join(str(one) for one in (*above[above.index(here) :], here))
        raise ConfigError(f'{above[0]}: its _base_ leads back to itself ({chain})')
    try:
        tree = ast.parse(here.read_bytes()) if here.suffix == '.py' else None
    except (OSError, ValueError, SyntaxError, RecursionError, MemoryError):
        return
    for node in tree.body if tree is not None else ():
        if isinstance(node, ast.Assign) and any(
            isinstance(name, ast.Name) and name.id == '_base_' for name in node.targets
        ):
            try:
                bases = ast.literal_eval(node.value)
            except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
                continue
            for base in (
                [bases]
                if isinstance(bases, str)
                else bases
                if isinstance(bases, list | tuple)
                else ()
            ):
                if isinstance(base, str) and '::' not in base and '://' not in base:
                    refuse_base_loops(here.parent / base, (*above, here))


def choose_work_dir(cfg: Config, path: str | Path, given: str | None) -> None:
    """Set ``cfg.work_dir``: what the user gave, else what the config says, else ``work_dirs/<name
    of the config>``."""
    cfg.work_dir = given or cfg.get('work_dir') or str(Path('work_dirs', Path(path).stem))


def _first_line(error: BaseException) -> str:
    return (
        ' '.join(str(error).strip().partition('\n')[0].split())[:LONGEST_CAUSE]
        or type(error).__name__
    )


def runner_keys() -> set[str]:
    """Every top-level key that means something to MMEngine's Runner."""
    return (
        set(inspect.signature(Runner.__init__).parameters) - {'self', 'cfg'}
    ) | EXTRA_RUNNER_KEYS


def check_config(cfg: Config, path: str | Path) -> None:
    """Find misspelt keys and types before anything is built.

    Checked are top-level keys that nearly are one of the Runner's, every ``type`` (is it registered
    anywhere?), and the arguments of this plugin's own classes and of MMEngine's loops, hooks and
    schedules.

    Raises:
        ConfigError: The first thing found.
    """
    keys = runner_keys()
    for key in cfg:
        slip = difflib.get_close_matches(key, keys, n=1, cutoff=SLIP_SIMILARITY)
        if key not in keys and slip:
            raise ConfigError(f'{path}: unknown key {key!r}, did you mean {slip[0]!r}?')
    _check_forms(cfg, path)
    nodes = list(typed_nodes(cfg.to_dict()))
    registered = _registered(_scopes(cfg, nodes))
    loop = cfg.get('train_cfg') or {}
    if 'by_epoch' in loop:  # the Runner's short form of a loop's type
        kind = 'EpochBasedTrainLoop' if loop['by_epoch'] else 'IterBasedTrainLoop'
        short = {key: value for key, value in loop.items() if key != 'by_epoch'}
        _check_arguments({'type': kind, **short}, registered[kind], 'train_cfg', path)
    for where, node in nodes:
        name = node['type']
        if (
            isinstance(name, int | float | list | tuple | dict)
            and where.partition('.')[0] in KEY_FORMS
        ):
            raise ConfigError(f'{path}: {where}.type is a {type(name).__name__}, not a name')
        if isinstance(name, str):
            plain = name.rsplit('.', 1)[-1]
            if plain not in registered:
                raise ConfigError(
                    f'{path}: {where}.type = {name!r} is not registered{nearest(plain, registered)}'
                )
            _check_arguments(node, registered[plain], where, path)
        for index, step in enumerate(node.get('pipeline') or ()):
            if isinstance(step, str):
                raise ConfigError(
                    f'{path}: {where}.pipeline.{index} is {step!r}, no transform (a '
                    f'{{{{_base_.x}}}} cannot be unpacked with *)'
                )


def _check_forms(cfg: Config, path: str | Path) -> None:
    """Refuse lists where dicts belong and the like; None stands for a key that is not used."""
    for key, forms in KEY_FORMS.items():
        value = cfg.get(key)
        if (
            value is not None
            and not isinstance(value, forms)
            and not callable(getattr(value, 'build', None))
        ):
            wanted = ' or '.join(form.__name__ for form in forms if form is not tuple)
            raise ConfigError(f'{path}: {key} is a {type(value).__name__}, not a {wanted}')
    for key in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        dataset = (cfg.get(key) or {}).get('dataset')
        if dataset is not None and not isinstance(dataset, dict):
            raise ConfigError(f'{path}: {key}.dataset is a {type(dataset).__name__}, not a dict')
        pipeline = (dataset or {}).get('pipeline')
        if pipeline is not None and not isinstance(pipeline, list | tuple):
            raise ConfigError(
                f'{path}: {key}.dataset.pipeline is a {type(pipeline).__name__}, not a list'
            )


def _scopes(cfg: Config, nodes: list[tuple[str, dict]]) -> set[str]:
    """Scopes that a config takes parts from: its own, those before the dot of a type
    (``mmdet.ResNet``) and ``_scope_`` beside one."""
    names = [node['type'] for _, node in nodes if isinstance(node['type'], str)]
    beside = {node['_scope_'] for _, node in nodes if '_scope_' in node}
    return {
        cfg.get('default_scope') or 'mmengine',
        *(name.partition('.')[0] for name in names if '.' in name),
        *beside,
    }


def _registered(scopes: set[str]) -> dict[str, Any]:
    """Name to class of every entry of MMEngine's root registries and of their children in
    ``scopes``; the root's own entry wins."""
    for scope in sorted(scopes - {'mmengine'}):
        _import_registries(scope)
    entries: dict[str, Any] = {}
    for registry in (value for value in vars(root).values() if isinstance(value, Registry)):
        _collect(registry, scopes, entries)
    return entries


def _import_registries(scope: str) -> None:
    """As MMEngine does before it builds a ``scope.Name``: until then the root knows nothing of that
    scope."""
    try:
        import_module(f'{scope}.registry')
    except ImportError as error:
        print_log(
            f'{scope}: its registries cannot be imported here ({error})', 'current', logging.DEBUG
        )


def _collect(registry: Registry, scopes: set[str], entries: dict[str, Any]) -> None:
    try:
        registry.import_from_location()
    except ImportError as error:
        if registry.parent is None:
            raise
        # A host without compiled ops: what it could not import cannot be named in a config, either.
        print_log(
            f'{registry.scope}: {registry.name} has parts that cannot be imported here ({error})',
            'current',
            logging.DEBUG,
        )
    for name, target in registry.module_dict.items():
        entries.setdefault(name, target)
    for scope, child in registry.children.items():
        # Other hosts that happen to be loaded: importing all their parts takes seconds and prints.
        if scope in scopes:
            _collect(child, scopes, entries)


def typed_nodes(node: Any, where: str = '') -> Iterator[tuple[str, dict]]:
    """Every dict with a ``type`` below ``node``, with its dotted place."""
    if isinstance(node, dict):
        if 'type' in node and where:
            yield where, node
        for key, value in node.items():
            yield from typed_nodes(value, f'{where}.{key}' if where else str(key))
    elif isinstance(node, (list, tuple)):
        for index, value in enumerate(node):
            yield from typed_nodes(value, f'{where}.{index}')


def _check_arguments(node: dict, target: Any, where: str, path: str | Path) -> None:
    module = getattr(target, '__module__', '') or ''
    if not module.startswith(CHECKED_MODULES):
        return
    arguments = arguments_of(target)
    if arguments is None:
        return
    # The constructor of an optimizer wrapper takes these two out before the wrapper is built.
    built = BUILD_KEYS | ({'constructor', 'paramwise_cfg'} if where == 'optim_wrapper' else set())
    for key in node:
        if key not in arguments and key not in built:
            raise ConfigError(
                f'{path}: {where}.{key}: {node["type"]} has no argument '
                f'{key!r}{nearest(key, arguments)}'
            )


def arguments_of(target: Any) -> set[str] | None:
    """Names of all arguments, those that ``**kwargs`` hands to base classes included; None where
    they cannot be known."""
    names: set[str] = set()
    constructors = (
        [vars(cls)['__init__'] for cls in target.__mro__ if '__init__' in vars(cls)]
        if inspect.isclass(target)
        else [target]
    )
    for constructor in constructors:
        parameters = inspect.signature(constructor).parameters.values()
        names |= {
            parameter.name
            for parameter in parameters
            if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
        }
        if not any(parameter.kind == parameter.VAR_KEYWORD for parameter in parameters):
            return names - {'self'}
    return None
