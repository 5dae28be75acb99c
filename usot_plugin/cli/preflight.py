"""Checks that every tool shares: files, folders and places to write, before anything is built.

The first half imports nothing heavy: ``usot`` holds its words against it before it imports the
host. The second half looks through a config for the files that its data sets will read.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from usot_plugin._moved import CONFIGS
from usot_plugin.utils.packaged import find_config, names_near, packaged_folder

if TYPE_CHECKING:
    import argparse

    from mmengine.config import Config

PathLike = str | os.PathLike


class InputsError(ValueError):
    """Something that was named is not there, or cannot be written; one line."""


#: Kind of a word of the command line -> what is said where nothing is there.
MISSING = {
    'checkpoint': 'no such checkpoint',
    'file': 'no such file',
    'folder': 'no such folder',
    'input': 'no such file or folder',
    'store': 'no such crop store',
    'table': 'no such pseudo-box table',
}
#: Verb -> kinds of its first words, as far as they stand before any option.
LEADING: dict[str, tuple[str, ...]] = {
    'adapt': ('input',),
    'browse': ('table',),
    'browse-dataset': ('config',),
    'compare-boxes': ('folder', 'folder'),
    'config': ('config',),
    'convert': ('checkpoint',),
    'crops': ('table',),
    'discover': ('config', 'input'),
    'epochs': ('config', 'folder'),
    'export-boxes': ('table',),
    'flops': ('config',),
    'imagenet-vid': ('folder',),
    'measure-speed': ('config',),
    'measure-step': ('config',),
    'migrate': ('file',),
    'objects': ('config', 'input'),
    'pack': ('checkpoint',),
    'relabel': ('config', 'checkpoint', 'table'),
    'score-boxes': ('config', 'folder'),
    'search': ('config', 'checkpoint'),
    'submit': ('config', 'folder'),
    'test': ('config', 'checkpoint'),
    'track': ('input',),
    'train': ('config',),
    'train-pul': ('config',),
    'vot': ('config', 'checkpoint'),
}
#: Options that mean the same for every verb that has them.
OPTIONS = {
    '--boxes': 'file',
    '--checkpoint': 'checkpoint',
    '--config': 'config',
    '--data-root': 'folder',
    '--sequences': 'folder',
    '--table': 'table',
    '--video-root': 'folder',
    '--wheel': 'file',
    '--benchmark': 'benchmark',
    '--out': 'output',
    '--work-dir': 'output',
}
#: A plain path for a data set on the command line; lists and quoted values are left to the verb.
DATA_OPTION = re.compile(r'(train|val|test)_dataloader\.dataset\.\w+=[^\[({"\'][^,]*')
#: Words after which a checkpoint may be any word: no network is built.
NO_NETWORK = {'--score-only', '--tracker'}


def check_words(verb: str, words: Sequence[str]) -> None:
    """Hold a command line against the files there are, before its verb is imported.

    Looked at are the words before the first option and the values of :data:`OPTIONS`; what comes
    after is left to the verb, which calls :func:`check_inputs` with what it has parsed.

    Raises:
        InputsError: The first word that names nothing.
    """
    if {'-h', '--help'} & set(words):
        return
    kinds = dict(OPTIONS)
    if NO_NETWORK & {word.partition('=')[0] for word in words}:
        kinds.pop('--checkpoint')
    for kind, word in zip(LEADING.get(verb, ()), words):  # noqa: B905  (words may be fewer)
        if word.startswith('-'):
            break
        if kind != 'checkpoint' or '--checkpoint' in kinds:
            check_one(kind, word)
    for place, word in enumerate(words):
        name, equals, value = word.partition('=')
        if DATA_OPTION.fullmatch(word):
            _check_data_option(name, value)
        if name not in kinds:
            continue
        if not equals:
            value = words[place + 1] if place + 1 < len(words) else ''
        if value and not value.startswith('-'):
            check_one(kinds[name], value)


def _check_data_option(key: str, value: str) -> None:
    """``--cfg-options train_dataloader.dataset.table=TABLE``: the file of one plain value."""
    kind = DATA_KEYS.get(key.rpartition('.')[2])
    if kind is None or key.endswith('.ann_file') or value == 'None' or '://' in value:
        return
    if not Path(value).expanduser().exists():
        raise InputsError(f'{value}: {MISSING[kind]} ({key})')


def check_inputs(
    *,
    outputs: Iterable[PathLike | None] = (),
    **given: PathLike | Iterable[PathLike] | None,
) -> None:
    """Refuse what is not there, or cannot be written, before anything is built.

    Args:
        outputs: Files or folders that will be written; None is passed over.
        **given: Kind (see :data:`MISSING`, and ``config``, ``benchmark``) and one path or several.

    Raises:
        InputsError: The first thing that is wrong, with its name.

    Example:
        >>> check_inputs(table=args.table, checkpoint=args.checkpoint, outputs=[args.out])
    """
    for kind, value in given.items():
        several = [value] if isinstance(value, str | os.PathLike) else value or ()
        for one in several:
            check_one(kind, os.fspath(one))
    for path in outputs:
        if path is not None:
            check_one('output', os.fspath(path))


def check_data(args: argparse.Namespace) -> None:
    """Check what says where annotated sequences lie: --benchmark, --data-root and --sequences."""
    if args.benchmark:
        check_one('benchmark', args.benchmark)
    check_inputs(folder=[one for one in (args.data_root, args.sequences) if one])


def check_one(kind: str, word: str) -> None:
    """Check one path; see :func:`check_inputs`."""
    if kind == 'config':
        _check_config_file(word)
    elif kind == 'benchmark':
        _check_benchmark(word)
    elif kind == 'output':
        _check_output(Path(word))
    elif not _is_elsewhere(kind, word) and not Path(word).expanduser().exists():
        raise InputsError(f'{word}: {MISSING[kind]}')


def _is_elsewhere(kind: str, word: str) -> bool:
    """Whether a word names no file: an URL, a camera, the name of weights that ship, ``none``."""
    if '://' in word or (kind == 'input' and word.isdigit()):
        return True
    path = Path(word)
    return kind == 'checkpoint' and not path.suffix and len(path.parts) == 1


def _check_config_file(word: str) -> None:
    path = find_config(word)
    moved = {Path(old).stem for old in CONFIGS}
    if not path.is_file() and path.stem not in moved:
        near = get_close_matches(path.name, names_near(path), 1)
        hint = f', did you mean {near[0]!r}?' if near else ''
        raise InputsError(f'{path}: no such config{hint}')


def _check_benchmark(word: str) -> None:
    known = {path.stem for path in (packaged_folder('configs') / '_base_/benchmarks').glob('*.py')}
    if word.endswith('.py') or word in known:
        return
    near = get_close_matches(word, known, 1)
    hint = f', did you mean {near[0]!r}?' if near else f'; there are {", ".join(sorted(known))}'
    raise InputsError(f'--benchmark {word}: no such benchmark{hint}')


def _check_output(path: Path) -> None:
    there = next(one for one in (path, *path.absolute().parents) if os.path.lexists(one))
    if there.is_dir():
        if not os.access(there, os.W_OK | os.X_OK):
            raise InputsError(f'{path}: cannot be written (no permission to write to {there})')
    elif there != path:
        raise InputsError(f'{path}: cannot be written ({there} is no folder)')
    elif not os.access(path, os.W_OK):
        raise InputsError(f'{path}: cannot be written (no permission)')


# --- what a config names ----------------------------------------------------------------------

#: Argument of a data set -> kind of what it names.
DATA_KEYS = {
    'ann_file': 'file',
    'annotation': 'file',
    'clips': 'folder',
    'crop_store': 'store',
    'data_root': 'folder',
    'frame_root': 'folder',
    'image_root': 'folder',
    'images': 'folder',
    'table': 'table',
}
#: Those that belong to one kind of box source or another.
SOURCE_KEYS = {'table', 'clips', 'images', 'sequences'}
#: Type of a visualisation backend -> the module that it needs.
BACKENDS = {'TensorboardVisBackend': 'tensorboard', 'WandbVisBackend': 'wandb'}


def config_inputs(cfg: Config, loaders: Iterable[str]) -> Iterator[tuple[str, str, str]]:
    """What the data sets of a config will read: dotted key, kind and path of each.

    Left out are keys that the chosen box source does not take, and parts of a mixture with quota 0.

    Args:
        cfg: The config.
        loaders: ``'train_dataloader'`` and the like.
    """
    for loader in loaders:
        dataset = (cfg.get(loader) or {}).get('dataset')
        if isinstance(dataset, Mapping):
            yield from _dataset_inputs(f'{loader}.dataset', dataset)


def _dataset_inputs(where: str, dataset: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    taken = _taken_keys(dataset)
    for key, kind in DATA_KEYS.items():
        value = dataset.get(key)
        if isinstance(value, str | os.PathLike) and str(value) and key in taken:
            text = os.fspath(value)
            root = dataset.get('data_root')
            if key == 'ann_file' and root and not os.path.isabs(text):
                text = os.path.join(root, text)
            yield f'{where}.{key}', kind, text
    for key in ('dataset', 'sequences', 'positives', 'box_source'):
        if isinstance(dataset.get(key), Mapping) and (key in taken):
            yield from _dataset_inputs(f'{where}.{key}', dataset[key])
    quotas = dataset.get('quotas')
    for index, part in enumerate(_parts(dataset)):
        if quotas is None or index >= len(quotas) or quotas[index]:
            yield from _dataset_inputs(f'{where}.datasets.{index}', part)


def _parts(dataset: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    from usot_plugin.datasets.mixture import is_annotated

    parts = dataset.get('datasets')
    if not isinstance(parts, list | tuple):
        return []
    unlabelled = dataset.get('label_share') == 0
    return [
        {} if not isinstance(part, Mapping) or (unlabelled and is_annotated(part)) else part
        for part in parts
    ]


def _taken_keys(dataset: Mapping[str, Any]) -> set[str]:
    """Keys of a data set that lead to files: a config may hold those of several box sources."""
    from usot_plugin.datasets.pseudo_box_dataset import BOX_SOURCES, PseudoBoxDataset
    from usot_plugin.registry import DATASETS, TASK_UTILS
    from usot_plugin.utils.config import arguments_of

    kind = dataset.get('type')
    kind = DATASETS.get(kind) if isinstance(kind, str) else kind
    keys = {*DATA_KEYS, 'dataset', 'datasets', 'sequences', 'positives', 'box_source'}
    if not isinstance(kind, type) or not issubclass(kind, PseudoBoxDataset):
        return keys
    if 'annotation' in dataset:  # a data set that brings its own box source
        return keys - SOURCE_KEYS
    source = dataset.get('box_source', 'discovered')
    name = source.get('type') if isinstance(source, Mapping) else source
    maker = TASK_UTILS.get(BOX_SOURCES.get(name, name)) if isinstance(name, str) else name
    own = None if maker is None else arguments_of(maker)
    if own is None:
        return keys
    return keys - (SOURCE_KEYS - own)


def check_config(cfg: Config, loaders: Iterable[str], outputs: Iterable[PathLike | None]) -> None:
    """Refuse a config whose data, weights or backends are not here, before anything is built.

    Args:
        cfg: The whole config, command line applied.
        loaders: Data loaders that the run will build.
        outputs: What the run will write.

    Raises:
        InputsError: A file or folder that is not there, with the key that names it.
        MissingPackageError: A visualisation backend whose package is not installed.
    """
    from usot_plugin.utils.optional import require

    for key, kind, path in config_inputs(cfg, loaders):
        if '://' not in path and not Path(path).expanduser().exists():
            raise InputsError(f'{path}: {MISSING[kind]} ({key})')
    load_from = cfg.get('load_from')
    if load_from:
        check_inputs(checkpoint=load_from)
    visualizer = cfg.get('visualizer') or {}
    for backend in [*(cfg.get('vis_backends') or ()), *(visualizer.get('vis_backends') or ())]:
        name = backend.get('type') if isinstance(backend, Mapping) else None
        if name in BACKENDS:
            require(BACKENDS[name], name)
    check_inputs(outputs=outputs)
