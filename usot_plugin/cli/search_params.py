"""Search a tracker's hyper-parameters on a named set of sequences, never on a test set by accident.

    usot search CONFIG CHECKPOINT --sequences ROOT --every 2 --trials 40 --out work_dirs/search
    usot search CONFIG CHECKPOINT --benchmark got10k_val --data-root DIR --trials 40 --out DIR2

The first trial is the config as it is. The study lies in OUT/study.db, results of every setting in
OUT/results: the same command goes on where it stopped, and no setting is tracked twice.
OUT/best.json says what was found and on what it was tuned; OUT/best.py is a config with the found
values, for tools/test.py. A test split needs --allow-test-split, and the result says so for ever.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import pprint
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

import usot_plugin  # noqa: F401  (registers everything)
from usot_plugin.apis.inference import RANDOM_WEIGHTS, init_tracker
from usot_plugin.cli.preflight import check_data, check_inputs
from usot_plugin.datasets.benchmarks import AnnotationError
from usot_plugin.evaluation.results.result_files import ResultError
from usot_plugin.evaluation.tuning import Range, search_space
from usot_plugin.evaluation.tuning_set import TuningSet, add_data_arguments
from usot_plugin.structures.clip import ClipError
from usot_plugin.tracking import Tracker, build_tracker
from usot_plugin.utils.atomic import write_text
from usot_plugin.utils.checkpoint import CheckpointError, weights_digest
from usot_plugin.utils.cli import exit_status, note, tool_parser
from usot_plugin.utils.config import ConfigError, load_config
from usot_plugin.utils.optional import require
from usot_plugin.utils.packaged import packaged_folder

if TYPE_CHECKING:
    import optuna

CONFIGS = packaged_folder('configs')


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = tool_parser(__doc__)
    parser.add_argument('config', help='config of the tracker')
    parser.add_argument('checkpoint', help="its weights; 'none' for random ones")
    parser.add_argument('--out', required=True, metavar='DIR', help='folder of the study')
    parser.add_argument(
        '--trials', type=int, default=30, metavar='N', help='settings to try in all (default: 30)'
    )
    parser.add_argument('--seed', type=int, default=0, help='of the search (default: 0)')
    parser.add_argument(
        '--space',
        nargs='+',
        metavar='OPTION=LOW:HIGH',
        help='options of the tracker to search, with their limits',
    )
    add_data_arguments(parser)
    args = parser.parse_args(argv)
    if args.trials < 1:
        parser.error(f'--trials must be at least 1, not {args.trials}')
    return args


class Search:
    """Tracks and scores one setting after another.

    Args:
        tracker: Gives model and class.
        base: Options of the tracker in the config.
        data: What it is tuned on.
        args: The command line.
    """

    def __init__(
        self, tracker: Tracker, base: Mapping[str, Any], data: TuningSet, args: argparse.Namespace
    ) -> None:
        self.base, self.data = dict(base), data
        self.model = getattr(tracker, 'model', None)
        self.weights = weights_digest(self.model) if self.model is not None else None
        self.space = search_space(type(tracker), args.space)
        self.defaults = {name: getattr(tracker, name, None) for name in self.space}
        self.out = Path(args.out)

    def identity(self) -> dict[str, Any]:
        """What has to be the same for trials to be compared."""
        return {
            'tracker': self.base,
            'weights': self.weights,
            'protocol': self.data.protocol_cfg,
            'dataset': self.data.title,
            'sequences': self.data.names,
            'space': {
                name: [values.low, values.high, values.whole] for name, values in self.space.items()
            },
            'objective': self.data.objective,
        }

    def metrics_of(self, values: Mapping[str, float]) -> dict[str, float]:
        """Track with these values, unless that has been done before, and score."""
        options = {**self.base, **values}
        digest = hashlib.sha1(
            json.dumps([options, self.weights], sort_keys=True).encode(), usedforsecurity=False
        ).hexdigest()[:12]
        return self.data.measure(
            build_tracker(self.model, options), options, self.out / 'results' / digest
        )

    def trial(self, trial: optuna.Trial) -> float:
        """One setting, for Optuna."""
        values = {name: suggest(trial, name, limits) for name, limits in self.space.items()}
        metrics = self.metrics_of(values)
        objective = self.data.objective_of(metrics)
        trial.set_user_attr('metrics', {name: float(value) for name, value in metrics.items()})
        trial.set_user_attr('objective', objective)
        shown = ', '.join(f'{name} {value:.4g}' for name, value in values.items())
        note(f'trial {trial.number}: {objective} {metrics[objective]:.4f} ({shown})')
        return float(metrics[objective])


def suggest(trial: optuna.Trial, name: str, limits: Range) -> float:
    """A value for one option."""
    if limits.whole:
        return trial.suggest_int(name, int(limits.low), int(limits.high))
    return trial.suggest_float(name, limits.low, limits.high)


def open_study(search: Search, seed: int) -> optuna.Study:
    """The study of the folder, new or as it was left.

    Raises:
        MissingPackageError: Optuna is not installed.
        ConfigError: The study there is another one.
    """
    optuna = require('optuna', 'the search')
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    search.out.mkdir(parents=True, exist_ok=True)
    storage = f'sqlite:///{(search.out / "study.db").resolve()}'
    study = optuna.create_study(
        study_name='search', storage=storage, direction='maximize', load_if_exists=True
    )
    # Trials that were drawn before must not be drawn again from the same seed.
    study.sampler = optuna.samplers.TPESampler(seed=seed + len(study.trials))
    identity = json.loads(json.dumps(search.identity()))
    known = study.user_attrs.get('identity')
    if known is None:
        study.set_user_attr('identity', identity)
        inside = all(
            value is not None and search.space[name].low <= value <= search.space[name].high
            for name, value in search.defaults.items()
        )
        if inside:
            study.enqueue_trial(dict(search.defaults))
    elif known != identity:
        different = ', '.join(sorted(key for key in identity if identity[key] != known.get(key)))
        raise ConfigError(
            f'{search.out}: holds another search (different: {different}); choose another --out'
        )
    return study


def summary(search: Search, study: optuna.Study, args: argparse.Namespace) -> dict[str, Any]:
    """What was found, and on what."""
    done = [trial for trial in study.trials if trial.value is not None]
    first, best = done[0], study.best_trial
    return {
        'found': best.params,
        'objective': best.user_attrs['objective'],
        'value': best.value,
        'value_of_the_config': first.value if dict(first.params) == search.defaults else None,
        'metrics': best.user_attrs['metrics'],
        'tuned_on': search.data.tuned_on(),
        'trials': len(done),
        'seed': args.seed,
        'config': args.config,
        'checkpoint': args.checkpoint,
    }


def write_found(
    search: Search, row: Mapping[str, Any], args: argparse.Namespace, in_loop: bool
) -> None:
    """``best.json``, and ``best.py`` that inherits from the config."""
    write_text(search.out / 'best.json', json.dumps(row, indent=1) + '\n')
    base = os.path.relpath(Path(args.config).resolve(), search.out.resolve())
    tracker = dict(row['found'])
    part = (
        f'test_cfg = dict(tracker={tracker!r})'
        if in_loop
        else f'model = dict(test_cfg={tracker!r})'
    )
    tuned = row['tuned_on']
    warning = ' TUNED ON A TEST SPLIT.' if tuned['test_split'] else ''
    text = (
        f'"""Tuned on {len(tuned["sequences"])} sequences of {tuned["dataset"]}, {row["trials"]} '
        f'trials, seed {row["seed"]}: '
        f'{row["objective"]} {row["value"]:.4f}.{warning}\n\nSequences: '
        f'{", ".join(tuned["sequences"])}\n"""\n\n'
        f'_base_ = {base!r}\n{part}\n'
    )
    write_text(search.out / 'best.py', text)


def run(args: argparse.Namespace) -> None:
    """Search and write."""
    check_data(args)
    require('optuna', 'the search')
    known = args.checkpoint == RANDOM_WEIGHTS
    check_inputs(
        config=args.config, checkpoint=None if known else args.checkpoint, outputs=[args.out]
    )
    cfg = load_config(args.config)
    data = TuningSet(cfg, args, CONFIGS)
    in_loop = bool((cfg.get('test_cfg') or {}).get('tracker'))
    base = dict(cfg.test_cfg.tracker if in_loop else (cfg.get('model') or {}).get('test_cfg') or {})
    if args.threads:
        torch.set_num_threads(args.threads)
    tracker = init_tracker(cfg, args.checkpoint, args.device, base)
    search = Search(tracker, base, data, args)
    study = open_study(search, args.seed)
    left = args.trials - sum(trial.value is not None for trial in study.trials)
    if left > 0:
        study.optimize(search.trial, n_trials=left)
    row = summary(search, study, args)
    write_found(search, row, args, in_loop)
    pprint.pp(row, width=120, compact=True)
    print(f'config with these values: {search.out / "best.py"}')


def main(argv: list[str] | None = None) -> int:
    """Run the tool; returns its exit status."""
    args = parse_args(argv)
    mendable = (CheckpointError, AnnotationError, ClipError, ResultError)
    return exit_status(
        lambda: run(args),
        mendable,
        args.out,
        'interrupted; finished trials stay, the same command goes on',
    )


if __name__ == '__main__':
    sys.exit(main())
