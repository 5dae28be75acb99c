"""Test loop and metrics of MMTracking: a rule book and the metric that fits what it produces."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .datasets import translate_test_dataset
from .report import Migration, plain_type

#: Whether frames without the target count, as MMTracking's configs of each benchmark say; our data
#: sets name the same convention.
EVALUATES_VISIBLE_ONLY = {'LaSOTDataset': True, 'OTB100Dataset': False, 'UAV123Dataset': False}

#: Arguments of MMTracking's metric that are taken care of, or change nothing at this value.
KNOWN_METRIC = {
    'type': ...,
    'metric': ...,
    'metric_options': ...,
    'format_only': ...,
    'outfile_prefix': ...,
    'collect_device': 'cpu',
    'prefix': None,
    'options_after_eval': {},
}

#: Test part of a config of ours, as in ``configs/_base_/benchmarks``.
Benchmark = Mapping[str, Any]


def translate_evaluation(
    old: Mapping[str, Any],
    part: str,
    loop: str,
    benchmarks: Sequence[Benchmark],
    migration: Migration,
) -> dict[str, Any]:
    """``test_dataloader``, ``test_cfg`` and ``test_evaluator`` (or ``val_...``); all three or none.

    Args:
        old: The old config.
        part: ``'test'`` or ``'val'``.
        loop: Our loop for it.
        benchmarks: What the package knows of benchmarks: protocol and metric are taken from the one
            with the same data set.
        migration: Is told what is left.
    """
    keys = [f'{part}_{name}' for name in ('dataloader', 'cfg', 'evaluator')]
    given = [key for key in keys if old.get(key)]
    if len(given) < len(keys):
        for key in given:
            missing = ', '.join(name for name in keys if name not in given)
            migration.leave(key, f'means nothing without {missing}')
        return {}
    loader, cfg, evaluator = (old[key] for key in keys)
    dataset = translate_test_dataset(loader.get('dataset') or {}, f'{keys[0]}.dataset', migration)
    if dataset is None:
        for key in keys[1:]:
            migration.leave(key, 'its data set is not known here')
        return {}
    _check_loader(loader, keys[0], migration)
    _check_loop(cfg, keys[1], migration)
    metrics = evaluator if isinstance(evaluator, list | tuple) else [evaluator]
    metric = _only_sot_metric(metrics, keys[2], migration)
    rules = None if metric is None else _rules(metric, dataset, keys[2], benchmarks, migration)
    if rules is None or metric is None:
        return {}
    data, protocol, metric_cfg = rules
    out_dir = {'out_dir': metric['outfile_prefix']} if metric.get('outfile_prefix') else {}
    new_loader = {
        'batch_size': 1,
        'num_workers': 0,
        'sampler': {'type': 'DefaultSampler', 'shuffle': False},
        'dataset': {**dataset, **data},
    }
    return dict(
        zip(keys, (new_loader, {'type': loop, **protocol, **out_dir}, metric_cfg), strict=True)
    )


def _check_loader(loader: Mapping[str, Any], key: str, migration: Migration) -> None:
    # How many frames are prefetched is the test loop's affair now.
    known = {
        'batch_size': 1,
        'num_workers': ...,
        'persistent_workers': ...,
        'drop_last': False,
        'sampler': ...,
        'dataset': ...,
    }
    migration.leave_others(
        key,
        loader,
        {**known, 'pin_memory': ..., 'collate_fn': None},
        'the test loop reads sequences one after another',
    )
    sampler = loader.get('sampler') or {}
    if sampler and plain_type(sampler) not in (
        'VideoSampler',
        'DefaultSampler',
        'EntireVideoBatchSampler',
    ):
        migration.leave(
            f'{key}.sampler', f'{plain_type(sampler)}: sequences are tracked in their order'
        )


def _check_loop(cfg: Mapping[str, Any], key: str, migration: Migration) -> None:
    if plain_type(cfg) not in ('TestLoop', 'ValLoop', 'VideoTestLoop', 'VideoValLoop', ''):
        migration.leave(f'{key}.type', f'{plain_type(cfg)}: not a loop of MMTracking 1.x')
    migration.leave_others(
        key, cfg, {'type': ..., 'fp16': ...}, 'no such argument of the loop here'
    )


def _only_sot_metric(
    metrics: Sequence[Mapping[str, Any]], key: str, migration: Migration
) -> Mapping[str, Any] | None:
    found = None
    for index, metric in enumerate(metrics):
        where = f'{key}.{index}' if len(metrics) > 1 else key
        if plain_type(metric) != 'SOTMetric' or found is not None:
            migration.leave(
                where, f'{plain_type(metric)}: one SOTMetric is translated, nothing else'
            )
        else:
            found = metric
            migration.leave_others(
                where, metric, KNOWN_METRIC, 'SOTMetric has no such argument here'
            )
    return found


def _rules(
    metric: Mapping[str, Any],
    dataset: Mapping[str, Any],
    key: str,
    benchmarks: Sequence[Benchmark],
    migration: Migration,
) -> tuple[dict[str, Any], dict[str, Any], Any] | None:
    """More arguments of the data set, those of the loop, and our metric."""
    asked = metric.get('metric', 'OPE')
    names = [asked] if isinstance(asked, str) else list(asked)
    options = metric.get('metric_options') or {}
    challenge = (
        str(options.get('dataset_type', 'vot2018')) if dataset['type'] == 'VOTDataset' else None
    )
    known = next(_matching(benchmarks, dataset, challenge), None)
    for name in names:
        if (name == 'VOT') != (challenge is not None) or name not in ('OPE', 'VOT'):
            migration.leave(
                f'{key}.metric',
                f'{name!r} on {dataset["type"]} is not what that benchmark is measured by',
            )
    visible = options.get('only_eval_visible')
    if visible is not None and visible != EVALUATES_VISIBLE_ONLY.get(dataset['type'], visible):
        migration.leave(
            f'{key}.metric_options.only_eval_visible',
            f'{dataset["type"]} counts frames as its own toolkit does',
        )
    if metric.get('format_only'):
        migration.note(
            f'{key}.format_only',
            "result files are always written, in the form that the benchmark's server takes",
        )
    if metric.get('outfile_prefix'):
        migration.note(f'{key}.outfile_prefix', 'results go to a folder of the tracker below it')
    if known is not None:
        more = {
            name: value
            for name, value in known['test_dataloader']['dataset'].items()
            if name == 'metainfo'
        }
        protocol = {name: value for name, value in known['test_cfg'].items() if name == 'protocol'}
        return more, protocol, known['test_evaluator']
    if challenge is not None:
        migration.leave(key, f'{challenge}: no benchmark of this name here')
        return None
    return {}, {}, {'type': 'SOTMetric'}


def _matching(
    benchmarks: Sequence[Benchmark], dataset: Mapping[str, Any], challenge: str | None
) -> Iterator[Benchmark]:
    """Our benchmarks of the same data set: of the same subset first, then those that name none."""
    found: list[tuple[bool, bool, int, Benchmark]] = []
    for benchmark in benchmarks:
        theirs = benchmark['test_dataloader']['dataset']
        name = str((theirs.get('metainfo') or {}).get('dataset_name', '')).lower().replace('-', '')
        if theirs['type'] == dataset['type'] and (challenge is None or name == challenge.lower()):
            found.append(
                (
                    theirs.get('subset') != dataset['subset'],
                    theirs.get('subset') is not None,
                    len(found),
                    benchmark,
                )
            )
    yield from (benchmark for *_, benchmark in sorted(found, key=lambda entry: entry[:3]))
