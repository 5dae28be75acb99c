"""The test part of a config, put together from a tracker's config, a benchmark's and a command
line."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config

from usot_plugin.registry import METRICS
from usot_plugin.utils.config import ConfigError, load_config, nearest

#: What a benchmark's config says; the rest of the config is the tracker's.
BENCHMARK_KEYS = ('test_dataloader', 'test_cfg', 'test_evaluator')


def benchmark_file(name: str, configs: Path) -> Path:
    """The config of a benchmark: ``name`` is a file, or the stem of one in
    ``configs/_base_/benchmarks``.

    Raises:
        ConfigError: There is none; the message names the nearest.
    """
    if name.endswith('.py'):
        return Path(name)
    folder = configs / '_base_' / 'benchmarks'
    file = folder / f'{name}.py'
    if not file.is_file():
        known = sorted(path.stem for path in folder.glob('*.py'))
        near = nearest(name, known) or f'; there are {", ".join(known)}'
        raise ConfigError(f'--benchmark {name}: no such benchmark{near}')
    return file


def use_benchmark(cfg: Config, file: Path) -> None:
    """Replace the test part of ``cfg`` by a benchmark's; only the tracker of its loop stays.

    Raises:
        ConfigError: The file cannot be read or says nothing about testing.
    """
    benchmark = load_config(file)
    missing = [key for key in BENCHMARK_KEYS if key not in benchmark]
    if missing:
        raise ConfigError(f'{file}: no {missing[0]} in it, so it is not a benchmark')
    kept = {
        key: value
        for key, value in (cfg.get('test_cfg') or {}).items()
        if key in ('tracker', 'tracker_name')
    }
    for key in BENCHMARK_KEYS:
        cfg[key] = benchmark[key]
    cfg.test_cfg.update(kept)


def point_data(
    cfg: Config,
    sequences: str | None = None,
    data_root: str | None = None,
    only: Sequence[str] | None = None,
) -> None:
    """Say where the test data lies.

    Args:
        cfg: Changed in place.
        sequences: Folder of sequence folders, which replaces the config's data set.
        data_root: Folder of the config's own data set.
        only: Names of the sequences to keep.

    Raises:
        ConfigError: Both folders are given, or there is no data set at all.
    """
    if sequences and data_root:
        raise ConfigError(
            "--sequences replaces the config's data set and --data-root keeps it: give one of them"
        )
    if sequences:
        cfg.test_dataloader = dict(
            batch_size=1,
            num_workers=0,
            dataset=dict(type='SequenceFolderDataset', data_root=sequences),
            sampler=dict(type='DefaultSampler', shuffle=False),
        )
    if not cfg.get('test_dataloader'):
        raise ConfigError(
            f'{cfg.filename}: no test_dataloader in it, and neither --sequences nor --benchmark '
            'was given'
        )
    if data_root:
        cfg.test_dataloader.dataset.data_root = data_root
    if only:
        cfg.test_dataloader.dataset.sequences = list(only)


def prepare_metrics(
    cfg: Config, report_dir: Path, about: Mapping[str, Any], convention: str | None = None
) -> None:
    """Let every metric that writes a report do so beside the results; a second one of the same type
    in a folder of its own.

    Args:
        cfg: Changed in place; without an evaluator it gets :class:`SOTMetric`.
        report_dir: Folder of the results.
        about: Lines for the report.
        convention: For the metrics that know conventions.

    Raises:
        ConfigError: A convention for metrics that know none.
    """
    metrics = cfg.get('test_evaluator') or dict(type='SOTMetric')
    metrics = metrics if isinstance(metrics, list | tuple) else [metrics]
    metrics = [dict(metric) for metric in metrics]
    for index, metric in enumerate(metrics):
        before = sum(other['type'] == metric['type'] for other in metrics[:index])
        if 'report_dir' in _arguments(metric):
            metric.setdefault(
                'report_dir',
                str(report_dir / f'{metric["type"]}_{before + 1}' if before else report_dir),
            )
        if 'about' in _arguments(metric):
            metric.setdefault('about', dict(about))
        if convention and 'convention' in _arguments(metric):
            metric['convention'] = convention
    if convention and not any('convention' in _arguments(metric) for metric in metrics):
        raise ConfigError(
            f'--convention {convention}: {", ".join(metric["type"] for metric in metrics)} knows '
            'no conventions'
        )
    cfg.test_evaluator = metrics


def _arguments(metric: Mapping[str, Any]) -> set[str]:
    target = METRICS.get(metric['type'])
    return set(inspect.signature(target).parameters) if target is not None else set()
