"""The sequences that settings and checkpoints are chosen on: never a test set by accident, tracked
into files, scored."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.evaluator import Evaluator

from usot_plugin.evaluation.running.run_config import benchmark_file, point_data, use_benchmark
from usot_plugin.evaluation.running.sequences import run_sequences
from usot_plugin.evaluation.tuning import choose_sequences, reported_split_reason
from usot_plugin.registry import DATASETS, TASK_UTILS
from usot_plugin.tracking import Tracker
from usot_plugin.utils.checkpoint import weights_digest
from usot_plugin.utils.config import ConfigError
from usot_plugin.utils.progress import ProgressLines

#: What is made as large as possible: the first of these that the data set's metrics give.
OBJECTIVES = ('vot/eao', 'got10k/ao', 'sot/success', 'vos/j_and_f')


def add_data_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments that name a :class:`TuningSet`, and how to track it."""
    parser.add_argument(
        '--objective',
        metavar='METRIC',
        help=f'what to make large (default: the first there is of {", ".join(OBJECTIVES)})',
    )
    data = parser.add_argument_group('what it is tuned on')
    data.add_argument(
        '--sequences',
        metavar='ROOT',
        help='folder of sequences; needs --tune-on, --only or --every',
    )
    data.add_argument('--benchmark', metavar='NAME', help='or configs/_base_/benchmarks/NAME.py')
    data.add_argument('--data-root', metavar='DIR', help='folder of the benchmark')
    data.add_argument('--tune-on', metavar='FILE', help='list of sequences, one a line')
    data.add_argument('--only', nargs='+', metavar='NAME', help='these sequences')
    data.add_argument('--every', type=int, metavar='N', help='every N-th sequence ...')
    data.add_argument(
        '--offset',
        type=int,
        default=0,
        metavar='I',
        help='... from the I-th on, 0-based (default: 0)',
    )
    data.add_argument(
        '--allow-test-split', action='store_true', help='tune on a test split all the same'
    )
    parser.add_argument(
        '--batch-sequences',
        type=int,
        default=1,
        metavar='B',
        help='sequences that are tracked as one batch',
    )
    parser.add_argument('--threads', type=int, help='CPU threads of PyTorch')
    parser.add_argument('--device', help='cpu, cuda:0, ... (default: the GPU if there is one)')


class TuningSet:
    """Annotated sequences with the protocol and the metrics that they are scored by.

    Args:
        cfg: Config of the tracker; its test part is replaced by what the command line names.
        args: The command line, see :func:`add_data_arguments`.
        configs: Folder that benchmarks are looked up in.

    Raises:
        ConfigError: It is a test split, or a folder without a choice of sequences.
        ValueError: The choice names an unknown sequence, or leaves none.
    """

    def __init__(self, cfg: Config, args: argparse.Namespace, configs: Path) -> None:
        if args.benchmark:
            use_benchmark(cfg, benchmark_file(args.benchmark, configs))
        point_data(cfg, args.sequences, args.data_root)
        self.dataset = DATASETS.build(cfg.test_dataloader.dataset)
        reason = reported_split_reason(self.dataset)
        if reason and not args.allow_test_split:
            raise ConfigError(
                f'this is a test split ({reason}): tune on something else, or say '
                '--allow-test-split'
            )
        folder = type(self.dataset).__name__ == 'SequenceFolderDataset'
        if folder and not (args.tune_on or args.only or args.every):
            raise ConfigError(
                'say which sequences of the folder are for tuning: --tune-on FILE, --only NAME '
                '..., or --every N'
            )
        self.names = choose_sequences(
            self.dataset.names, args.tune_on, args.every or 1, args.offset, args.only
        )
        self.protocol_cfg = dict((cfg.get('test_cfg') or {}).get('protocol') or dict(type='OPE'))
        self.protocol = TASK_UTILS.build(dict(self.protocol_cfg))
        metrics = cfg.get('test_evaluator') or dict(type='SOTMetric')
        self.metrics = [
            dict(metric) for metric in (metrics if isinstance(metrics, list | tuple) else [metrics])
        ]
        self.threads = args.threads
        self.batch_sequences = args.batch_sequences
        self.objective = args.objective

    @property
    def title(self) -> str:
        """Name of the data set."""
        return self.dataset.metainfo.get('dataset_name', type(self.dataset).__name__)

    def tuned_on(self) -> dict[str, Any]:
        """What a result was chosen on, for its record."""
        test_split = reported_split_reason(self.dataset) is not None
        return {'dataset': self.title, 'sequences': self.names, 'test_split': test_split}

    def measure(
        self, tracker: Tracker, options: Mapping[str, Any], folder: Path
    ) -> dict[str, float]:
        """Track what has no result file in ``folder`` yet, and score.

        Args:
            tracker: The tracker.
            options: Its config, for the record of the folder.
            folder: Result files of this tracker, options and weights alone.

        Raises:
            ResultError: The folder holds results of something else.
        """
        model = getattr(tracker, 'model', None)
        weights = weights_digest(model) if model is not None else None
        results = self.protocol.result_folder(folder)
        results.claim({'tracker': dict(options), 'protocol': self.protocol_cfg, 'weights': weights})
        sequences = (self.dataset.load(name) for name in self.names)
        with closing(ProgressLines(len(self.names), 'sequence')) as progress:
            run_sequences(
                tracker,
                self.protocol,
                sequences,
                results,
                0,
                self.threads,
                lambda name, fps: progress.advance(),
                self.batch_sequences,
            )
        evaluator = Evaluator([dict(metric) for metric in self.metrics])
        evaluator.dataset_meta = self.dataset.metainfo
        for name in self.names:
            evaluator.process(
                data_samples=[results.finished_sample(self.dataset.load(name))], data_batch=[]
            )
        return evaluator.evaluate(len(self.names))

    def objective_of(self, metrics: Mapping[str, float]) -> str:
        """Name of the number to make large.

        Raises:
            ValueError: It is not among the metrics.
        """
        wanted = [self.objective] if self.objective else OBJECTIVES
        found = next((name for name in wanted if name in metrics), None)
        if found is None:
            raise ValueError(f'--objective {self.objective}: the metrics are {", ".join(metrics)}')
        return found
