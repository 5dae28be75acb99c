"""From a config of MMTracking 1.x to one of this package, key by key."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config

from ..config import ConfigError, check_config, runner_keys
from .datasets import translate_train_dataset
from .evaluation import Benchmark, translate_evaluation
from .report import Migration, plain_type

#: Keys of a config of MMTracking 0.x; that is another language.
OLD_STYLE = ('data', 'evaluation', 'total_epochs', 'checkpoint_config')

EVALUATION_KEYS = tuple(
    f'{part}_{name}' for part in ('val', 'test') for name in ('dataloader', 'cfg', 'evaluator')
)

#: Classes of MMTracking that a class of ours comes near to, for the reason of a key that is left.
NEAR = {
    'SiamRPNExpLR': 'LogSpaceLR is a straight line in log space, too',
    'SiamRPNExpParamScheduler': 'LogSpaceLR is a straight line in log space, too',
    'SiamRPNBackboneUnfreezeHook': 'FrozenBackboneHook(train_from_epoch=..., trained=(...)) '
    'unfreezes a SiameseResNet',
}

#: Hooks that feed the visualizers of MMTracking and mmdet; nothing is drawn during a test here.
DRAWING = ('TrackVisualizationHook', 'DetVisualizationHook')


class MigrationError(ConfigError):
    """The old config cannot be read, or is none of MMTracking 1.x."""


def read_plain(path: str | Path) -> dict[str, Any]:
    """Read a config and its bases without importing what they were written for.

    Raises:
        MigrationError: No such file, or it cannot be read.
    """
    path = Path(path)
    if not path.is_file():
        raise MigrationError(f'{path}: no such config')
    try:
        return Config.fromfile(path, import_custom_modules=False).to_dict()
    except (
        OSError,
        SyntaxError,
        NameError,
        KeyError,
        ImportError,
        AttributeError,
        TypeError,
        ValueError,
        RuntimeError,
    ) as error:
        raise MigrationError(
            f'{path}: cannot be read as a config: {type(error).__name__}: '
            f'{" ".join(str(error).split())}'
        ) from error


def read_old_config(path: str | Path) -> dict[str, Any]:
    """The content of a config of MMTracking 1.x.

    Raises:
        MigrationError: It cannot be read, or is something else.
    """
    old = read_plain(path)
    style = [key for key in OLD_STYLE if key in old]
    has_parts = any(key in old for key in ('train_dataloader', *EVALUATION_KEYS))
    if style and not has_parts:
        raise MigrationError(
            f'{path}: has {style[0]!r}, so it is a config of MMTracking 0.x; only those of 1.x '
            'are read'
        )
    if not has_parts:
        raise MigrationError(
            f'{path}: neither training nor test data in it, so there is nothing to migrate'
        )
    return old


def migrate(
    old: Mapping[str, Any],
    benchmarks: Sequence[Benchmark] = (),
    model_file: str | Path | None = None,
) -> Migration:
    """Translate what has a counterpart and name the rest.

    Args:
        old: Content of the old config.
        benchmarks: Test parts of this package's benchmark configs; protocols and metrics are taken
            from them.
        model_file: Config of a model of this package that the new one builds on; without it the
            model is left.
    """
    migration = Migration()
    migration.content['custom_imports'] = _imports(old, migration)
    _model(old, model_file, migration)
    for part, loop in (('val', 'SOTValLoop'), ('test', 'SOTTestLoop')):
        migration.content.update(translate_evaluation(old, part, loop, benchmarks, migration))
    trains = _training(old, migration)
    done = {'custom_imports', 'default_scope', 'model', 'train_dataloader', *EVALUATION_KEYS}
    for key in sorted((runner_keys() & old.keys()) - done):
        if key in ('train_cfg', 'optim_wrapper', 'param_scheduler') and not trains:
            migration.leave(key, 'there is no training data for it')
            continue
        if key in ('load_from', 'resume') and old[key]:
            migration.leave(key, 'weights of MMTracking fit no model here')
            continue
        kept = (
            _visualizer(old[key], migration)
            if key == 'visualizer'
            else _carried(old[key], key, migration)
        )
        if kept is not None:
            migration.content[key] = kept
    if trains and model_file is not None:
        _without_cycles(model_file, migration)
    if trains:
        hooks = migration.content.setdefault('default_hooks', {})
        hooks['stage'] = {'type': 'TrainingStageHook'}
    if 'val_dataloader' not in migration.content and isinstance(
        migration.content.get('train_cfg'), dict
    ):
        for key in ('val_begin', 'val_interval'):
            migration.content['train_cfg'].pop(key, None)
    return migration


def _imports(old: Mapping[str, Any], migration: Migration) -> dict[str, Any]:
    """Our import, and those of the old config that are not MMTracking's."""
    given = (old.get('custom_imports') or {}).get('imports') or []
    names = [given] if isinstance(given, str) else list(given)
    others = [name for name in names if not name.startswith('mmtrack')]
    for name in others:
        migration.note(
            'custom_imports',
            f'{name} is imported as before; what it registers for MMTracking may not fit',
        )
    return {'imports': ['usot_plugin', *others], 'allow_failed_imports': False}


def _model(old: Mapping[str, Any], model_file: str | Path | None, migration: Migration) -> None:
    name = plain_type(old.get('model') or {})
    if model_file is not None:
        read_plain(model_file)
    if model_file is None and name:
        migration.leave(
            'model',
            f'{name}: models are not translated; --model FILE builds on one of this package',
        )
    elif name:
        migration.note('model', f'{name} is replaced by that of {model_file}')


def _without_cycles(model_file: str | Path, migration: Migration) -> None:
    """Turn off what of a model needs memory frames: MMTracking draws pairs."""
    model = read_plain(model_file).get('model') or {}
    if (model.get('train_cfg') or {}).get('cycle_start_epoch') is None:
        return
    changes: dict[str, Any] = {
        'train_cfg': {'cycle_start_epoch': None},
        'test_cfg': {'memory_weight': 0.0},
    }
    if 'memory' in (model.get('head') or {}):
        changes['head'] = {'memory': None}
    migration.content['model'] = changes
    migration.note(
        'model',
        'cycle stage and on-line memory are off, because pairs of frames have no memory frames',
    )


def _training(old: Mapping[str, Any], migration: Migration) -> bool:
    """Translate the training data; whether there is any."""
    loader = old.get('train_dataloader')
    if not loader:
        return False
    key = 'train_dataloader'
    dataset = loader.get('dataset') or {}
    sampler = loader.get('sampler') or {}
    groups = int(sampler['samples_per_epoch']) if 'samples_per_epoch' in sampler else None
    if sampler and plain_type(sampler) not in ('QuotaSampler', 'DefaultSampler'):
        migration.leave(
            f'{key}.sampler', f'{plain_type(sampler)}: tracks are visited in random order'
        )
    known = {
        'type': ...,
        'samples_per_epoch': ...,
        'shuffle': True,
        'replacement': ...,
        'seed': None,
    }
    migration.leave_others(f'{key}.sampler', sampler, known, 'no such argument of the sampler here')
    combined = plain_type(dataset) == 'RandomSampleConcatDataset'
    parts = dataset.get('datasets', []) if combined else [dataset]
    weights = list(dataset.get('dataset_sampling_weights') or [1] * len(parts)) if combined else [1]
    found: list[tuple[dict[str, Any], float]] = []
    for index, (part, weight) in enumerate(zip(parts, weights, strict=True)):
        where = f'{key}.dataset.datasets.{index}' if combined else f'{key}.dataset'
        new = translate_train_dataset(part, where, migration)
        found += [(one, weight / len(new)) for one in new]
    if not found:
        migration.leave(key, 'none of its data is known here')
        return False
    rest = {
        name: value
        for name, value in loader.items()
        if name not in ('dataset', 'sampler', 'batch_sampler')
    }
    if loader.get('batch_sampler'):
        migration.leave(f'{key}.batch_sampler', 'groups are drawn one by one')
    migration.content[key] = {
        **rest,
        'sampler': {'type': 'DefaultSampler', 'shuffle': True},
        'dataset': _mixture(found, groups),
    }
    return True


def _mixture(parts: Sequence[tuple[dict[str, Any], float]], groups: int | None) -> dict[str, Any]:
    """One data set of parts with weights, ``groups`` samples an epoch."""
    if len(parts) == 1 and groups is not None:
        return {**parts[0][0], 'samples_per_epoch': groups}
    if len(parts) == 1:
        return parts[0][0]
    mixture: dict[str, Any] = {'type': 'QuotaMixture', 'datasets': [part for part, _ in parts]}
    if groups is not None:
        total = sum(weight for _, weight in parts)
        ends = [
            round(groups * sum(weight for _, weight in parts[: index + 1]) / total)
            for index in range(len(parts))
        ]
        mixture['quotas'] = [
            max(1, end - start) for start, end in zip([0, *ends], ends, strict=False)
        ]
    return mixture


def _carried(value: Any, key: str, migration: Migration) -> Any:
    """A key of MMEngine as it was, without the parts that nothing here is registered for; None
    where nothing is left."""
    if isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
        kept = [
            item
            for index, item in enumerate(value)
            if _is_known(item, f'{key}.{index}', key, migration, listed=True)
        ]
        return kept or None
    if key == 'default_hooks':
        return {
            name: hook
            for name, hook in value.items()
            if hook is None or _is_known(hook, f'{key}.{name}', key, migration)
        }
    return (
        value if not isinstance(value, Mapping) or _is_known(value, key, key, migration) else None
    )


def _visualizer(old: Mapping[str, Any], migration: Migration) -> dict[str, Any] | None:
    """MMEngine's own visualizer, which every host has without compiled ops, with the old one's back
    ends; None: the default one."""
    name = plain_type(old)
    backends = _carried(old.get('vis_backends') or [], 'visualizer.vis_backends', migration)
    if name != 'Visualizer':
        migration.note(
            'visualizer',
            f"{name} is replaced by MMEngine's Visualizer; SOTVisualizationHook draws with either",
        )
    return {'type': 'Visualizer', 'vis_backends': backends} if backends else None


def _is_known(
    node: Mapping[str, Any], where: str, key: str, migration: Migration, listed: bool = False
) -> bool:
    name = plain_type(node)
    if name in DRAWING:
        if node.get('draw'):
            migration.leave(where, f'{name}: tools/demo.py draws')
        return False
    try:
        check_config(Config({key: [node] if listed else node}), 'the old config')
    except ConfigError as error:
        near = NEAR.get(name)
        reason = str(error).partition(': ')[2]
        migration.leave(where, f'{name}: {near}' if near else reason)
        return False
    return True


def write_config(
    migration: Migration, source: str | Path, new_folder: Path, model_file: str | Path | None = None
) -> str:
    """Text of the new config, which begins with what is left to do.

    Args:
        migration: What :func:`migrate` returned.
        source: The old config, named in the text.
        new_folder: Where the text will lie; a base is named relative to it.
        model_file: As for :func:`migrate`.
    """
    lines = [
        f'# Made from {Path(source).name} (MMTracking 1.x) by tools/migrate_mmtrack_config.py.'
    ]
    if migration.left:
        lines += ['# Not translated:', *(f'#   {line}' for line in migration.left_lines)]
    if migration.notes:
        lines += [
            '# Means something a little different:',
            *(f'#   {line}' for line in migration.note_lines),
        ]
    if model_file is not None:
        lines.append(f'_base_ = [{os.path.relpath(model_file, new_folder)!r}]')
    return '\n'.join(lines) + '\n' + Config(migration.content).pretty_text
