"""Loops of MMEngine's Runner that track sequences: ``test_cfg = dict(type='SOTTestLoop')``."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import barrier, is_main_process
from mmengine.evaluator import Evaluator
from mmengine.model import BaseModel, is_model_wrapper
from mmengine.runner import Runner
from mmengine.runner.base_loop import BaseLoop
from torch import nn
from torch.utils.data import DataLoader

from usot_plugin.evaluation.results.result_files import ResultFolder
from usot_plugin.evaluation.running.sequences import run_sequences
from usot_plugin.evaluation.running.sharing import own_share
from usot_plugin.registry import LOOPS, MODELS, TASK_UTILS
from usot_plugin.tracking import Tracker, build_tracker, tracker_label
from usot_plugin.utils.checkpoint import weights_digest
from usot_plugin.utils.cli import Output, output
from usot_plugin.utils.names import shown_name
from usot_plugin.utils.progress import ProgressLines, counted
from usot_plugin.utils.worker_pool import TIMEOUT_S


@MODELS.register_module()
class NoNetwork(BaseModel):
    """Stands where MMEngine's Runner wants a model and none is used: scoring alone, and trackers
    without a network.

    It has one parameter, because parallel wrappers refuse a module without.
    """

    def __init__(self, data_preprocessor: Any = None) -> None:
        super().__init__()
        self.unused = nn.Parameter(torch.zeros(1))

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Nothing is ever run through it."""
        raise NotImplementedError('this run has no network')


@LOOPS.register_module()
class SOTTestLoop(BaseLoop):
    """Track every sequence of the data set into result files, then score the files.

    Running and scoring are separate: a second run skips the sequences that are finished, and
    ``score_only`` never runs the tracker. Under a launcher, sequences are spread over the processes
    by their length; all processes have to see the same folder of results.

    Args:
        runner: MMEngine's Runner; its model tracks.
        dataloader: Config or object; a batch is a list of :class:`AnnotatedSequence`.
        evaluator: Config or object, for example ``dict(type='SOTMetric')``.
        tracker: Config of a tracker that replaces the model's own ``test_cfg``, for example
            ``dict(type='StandStill')``.
        tracker_name: Folder name of the results; by default the tracker's class name.
        protocol: Config of the rule book.
        out_dir: Results go to ``out_dir/<tracker_name>/<sequence>.txt``; by default
            ``<work_dir>/results``.
        workers: Processes that track side by side on one machine; 0 tracks in this one.
        threads: PyTorch threads of each tracking process.
        batch_sequences: Sequences that each process tracks as one batch, see :func:`run_sequences`;
            not together with ``workers``.
        clip_timeout: Seconds; with workers, a sequence of which no frame is read for so long ends
            the run; 0 waits forever.
        overwrite: Throw away results that are already there.
        score_only: Only score; a missing result is an error.
        fp16: Accepted for MMEngine's test hooks; a tracker decides about its own precision.
    """

    hook_stage = 'test'

    def __init__(
        self,
        runner: Runner,
        dataloader: DataLoader | dict,
        evaluator: Evaluator | dict | list,
        tracker: dict | None = None,
        tracker_name: str | None = None,
        protocol: dict | None = None,
        out_dir: str | Path | None = None,
        workers: int = 0,
        threads: int | None = None,
        batch_sequences: int = 1,
        clip_timeout: float = TIMEOUT_S,
        overwrite: bool = False,
        score_only: bool = False,
        fp16: bool = False,
    ) -> None:
        super().__init__(runner, dataloader)
        self.evaluator = (
            runner.build_evaluator(evaluator) if isinstance(evaluator, dict | list) else evaluator
        )
        self.evaluator.dataset_meta = getattr(self.dataloader.dataset, 'metainfo', None)
        self.tracker_cfg = dict(tracker) if tracker else None
        self.tracker_name = tracker_name
        self.protocol_cfg = dict(protocol or dict(type='OPE'))
        self.protocol = TASK_UTILS.build(dict(self.protocol_cfg))
        self.out_dir = Path(out_dir) if out_dir else Path(runner.work_dir) / 'results'
        self.workers = workers
        self.threads = threads
        self.overwrite = overwrite
        self.score_only = score_only
        if batch_sequences < 1:
            raise ValueError(f'batch_sequences is at least 1, got {batch_sequences}')
        self.batch_sequences = batch_sequences
        self.fp16 = fp16
        self.timeout_s = clip_timeout or None

    def run(self) -> dict[str, float]:
        """Track, score, and return the metrics."""
        self._hook('before_{}')
        self._hook('before_{}_epoch')
        self.runner.model.eval()
        config = self._tracker_config()
        tracker = None if self.score_only else build_tracker(self._model(), config)
        folder = self.protocol.result_folder(
            self.results_root() / (self.tracker_name or tracker_label(config))
        )
        if tracker is not None:
            self._track(tracker, config, folder)
        self._score(folder)
        metrics = self.evaluator.evaluate(len(self.dataloader.dataset))
        self._hook('after_{}_epoch', metrics=metrics)
        self._hook('after_{}')
        return metrics

    def results_root(self) -> Path:
        """Folder of all trackers' results."""
        return self.out_dir

    def _hook(self, pattern: str, **kwargs: Any) -> None:
        self.runner.call_hook(pattern.format(self.hook_stage), **kwargs)

    def _model(self) -> nn.Module:
        return (
            self.runner.model.module if is_model_wrapper(self.runner.model) else self.runner.model
        )

    def _tracker_config(self) -> dict[str, Any]:
        return (
            self.tracker_cfg
            if self.tracker_cfg is not None
            else dict(getattr(self._model(), 'test_cfg', None) or {})
        )

    def _track(self, tracker: Tracker, config: dict[str, Any], folder: ResultFolder) -> None:
        model = getattr(tracker, 'model', None)
        weights = weights_digest(model) if isinstance(model, nn.Module) else None
        folder.check_names(getattr(self.dataloader.dataset, 'names', ()))
        if is_main_process():
            folder.claim(
                {
                    'tracker': config or type(tracker).__name__,
                    'protocol': self.protocol_cfg,
                    'weights': weights,
                },
                self.overwrite,
            )
            if self.overwrite:
                for name in getattr(self.dataloader.dataset, 'names', []):
                    folder.discard(name)
        barrier()
        dataset, position, logger = self.dataloader.dataset, 0, self.runner.logger
        before: list[str] = []
        one_by_one = self.workers <= 0 and self.batch_sequences == 1
        share = own_share(
            dataset,
            folder,
            one_by_one,
            before.append,
        )
        for name in before:
            logger.info(f'{shown_name(name)}: finished before, skipped')
        # The log has a line for each sequence; a tool that shows no log shows how far it is.
        shown = is_main_process() and output() is Output.NORMAL
        progress = ProgressLines(len(share), 'sequence', quiet=not shown)
        if shown and before:
            progress.line(f'{counted(len(before), "sequence")} finished before')

        def report(name: str, fps: float | None) -> None:
            nonlocal position
            position += 1
            logger.info(
                f'[{position}/{len(share)}] {shown_name(name)}: '
                + ('finished in the meantime' if fps is None else f'{fps:.1f} frames/s')
            )
            progress.advance('' if fps is None else f'{fps:.1f} frames/s')

        sequences = (dataset[index] for index in share)
        with closing(progress):
            run_sequences(
                tracker,
                self.protocol,
                sequences,
                folder,
                self.workers,
                self.threads,
                report,
                self.batch_sequences,
                self.timeout_s,
            )
        barrier()

    def _score(self, folder: ResultFolder) -> None:
        for index, batch in enumerate(self.dataloader):
            self._hook('before_{}_iter', batch_idx=index, data_batch=batch)
            samples = [folder.finished_sample(sequence) for sequence in batch]
            self.evaluator.process(data_samples=samples, data_batch=batch)
            self._hook('after_{}_iter', batch_idx=index, data_batch=batch, outputs=samples)


@LOOPS.register_module()
class SOTValLoop(SOTTestLoop):
    """The same during training; results of every epoch go to their own folder
    ``<out_dir>/epoch_<n>``."""

    hook_stage = 'val'

    def __init__(
        self,
        runner: Runner,
        dataloader: DataLoader | dict,
        evaluator: Evaluator | dict | list,
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault('out_dir', Path(runner.work_dir) / 'val_results')
        kwargs.setdefault('overwrite', True)
        super().__init__(runner, dataloader, evaluator, **kwargs)

    def results_root(self) -> Path:
        return self.out_dir / f'epoch_{self.runner.epoch}'
