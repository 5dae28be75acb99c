"""A whole USOT at an eighth of its width on made-up groups of crops: what the tests of training
run, also in other processes."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import time
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.data import Dataset

from usot_plugin.models import USOT
from usot_plugin.registry import DATASETS, HOOKS, MODELS
from usot_plugin.structures.sot_sample import SOTSample

ROOT = Path(__file__).parents[2]


@DATASETS.register_module()
class MadeUpGroups(Dataset):
    """Noise with a brighter square in it; an item depends on seed, epoch and index only.

    All boxes lie well inside and are 64 px wide, so that each item has the same number of positive
    cells: only then the mean over two half batches is the mean over the whole.
    """

    def __init__(self, length: int = 8, poison: int | None = None) -> None:
        self.length, self.poison = length, poison
        # Epoch and stage, where persistent workers see them change.
        self._shared = torch.zeros(2, dtype=torch.int64).share_memory_()

    def __len__(self) -> int:
        return self.length

    def set_epoch(self, epoch: int) -> None:
        self._shared[0] = epoch

    def set_stage(self, stage: str) -> None:
        self._shared[1] = stage == 'cycle'

    @property
    def epoch(self) -> int:
        return int(self._shared[0])

    @property
    def stage(self) -> str:
        return 'cycle' if self._shared[1] else 'naive'

    def __getitem__(self, index: int) -> dict[str, Any]:
        if os.environ.get('LOADER_DIES_AT_START') and multiprocessing.parent_process():
            os.kill(os.getpid(), signal.SIGKILL)
        rng = torch.Generator().manual_seed(1000 * self.epoch + index)
        shift = 8 * int(torch.randint(-2, 3, (1,), generator=rng))
        box = [96.0 + shift, 96.0, 160.0 + shift, 160.0]
        inputs = {
            'template': _picture(127, [32, 32, 95, 95], rng),
            'search': _picture(255, box, rng),
        }
        sample = SOTSample(metainfo=dict(clip=f'clip{index}.mp4', frame_index=index))
        sample.set_boxes('template_box_xyxy', [32, 32, 95, 95])
        sample.set_boxes('search_box_xyxy', box)
        if self.stage == 'cycle':
            inputs['memory'] = torch.stack([_picture(255, box, rng) for _ in range(2)])
            sample.set_boxes('memory_boxes_xyxy', [box, box])
        if index == self.poison and self.epoch == 1:
            sample.set_boxes('search_box_xyxy', [float('nan')] * 4)
            inputs['template'] = inputs['template'].float() * float('nan')
        return {'inputs': inputs, 'data_samples': sample}


def _picture(side: int, box: list[float], rng: torch.Generator) -> torch.Tensor:
    picture = torch.randint(0, 128, (3, side, side), generator=rng, dtype=torch.uint8)
    x1, y1, x2, y2 = (int(value) for value in box)
    picture[:, y1:y2, x1:x2] += 100
    return picture


@MODELS.register_module()
class StillNormUSOT(USOT):
    """USOT with all batch norm in evaluation mode: batch statistics differ between one batch and
    its two halves.

    Nothing tames the activations then, so the picture is scaled to about one.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            **kwargs,
            data_preprocessor=dict(type='SOTDataPreprocessor', mean=[100] * 3, std=[400] * 3),
        )

    def train(self, mode: bool = True) -> nn.Module:
        super().train(mode)
        for module in self.modules():
            if isinstance(module, _BatchNorm):
                module.eval()
        return self


@HOOKS.register_module()
class RecordLossHook(Hook):
    """Appends each step's losses and learning rate to ``<work_dir>/losses_<rank>.jsonl``.

    At ``$DIE_AT_ITERATION`` the process dies, at ``$LOADER_DIES_AT_ITERATION`` one of its loaders.
    """

    def after_train_iter(
        self, runner, batch_idx: int, data_batch=None, outputs: dict | None = None
    ) -> None:
        row = {name: float(value.detach()) for name, value in (outputs or {}).items()}
        row['lr'] = runner.optim_wrapper.optimizer.param_groups[-1]['lr']
        with open(
            Path(runner.work_dir, f'losses_{runner.rank}.jsonl'), 'a', encoding='utf-8'
        ) as file:
            file.write(json.dumps({'iteration': runner.iter, **row}) + '\n')
        if os.environ.get('DIE_AT_ITERATION') == str(runner.iter):
            os.kill(os.getpid(), signal.SIGKILL)
        if os.environ.get('LOADER_DIES_AT_ITERATION') == str(runner.iter):
            multiprocessing.active_children()[0].kill()
            time.sleep(0.5)  # the signal comes inside the step


def read_losses(work_dir: Path, rank: int = 0) -> list[dict[str, float]]:
    """What :class:`RecordLossHook` wrote."""
    return [
        json.loads(line)
        for line in Path(work_dir, f'losses_{rank}.jsonl').read_text(encoding='utf-8').splitlines()
    ]


def tiny_config(
    work_dir: Path, model: str = 'USOT', batch: int = 2, workers: int = 0, **changes: Any
) -> Config:
    """Two epochs of four batches; the second one with cycle memory and a learning backbone."""
    cfg = Config.fromfile(ROOT / 'configs/_base_/default_runtime.py')
    cfg.merge_from_dict(dict(Config.fromfile(ROOT / 'configs/_base_/schedules/usot_30e.py')))
    cfg.merge_from_dict(
        dict(
            work_dir=str(work_dir),
            custom_imports=dict(
                imports=['usot_plugin', 'tests.engine.tiny_training'], allow_failed_imports=False
            ),
            train_cfg=dict(max_epochs=2),
            model=dict(
                type=model,
                backbone=dict(type='SiameseResNet', stage_blocks=(1, 1, 1), base_channels=8),
                neck=dict(type='AdjustNeck', in_channels=128, out_channels=16),
                head=dict(
                    type='USOTHead',
                    channels=16,
                    tower_depth=1,
                    memory=dict(type='CycleMemoryNeck', channels=16),
                ),
                train_cfg=dict(cycle_start_epoch=1),
            ),
            train_dataloader=dict(
                batch_size=batch,
                num_workers=workers,
                persistent_workers=workers > 0,
                sampler=dict(type='DefaultSampler', shuffle=False),
                dataset=dict(type='MadeUpGroups'),
            ),
            param_scheduler=[dict(type='LogSpaceLR', start_factor=0.5, begin=0, end=2)],
            custom_hooks=[
                dict(type='FrozenBackboneHook', train_from_epoch=1),
                dict(type='RecordLossHook'),
            ],
        )
    )
    cfg.merge_from_dict(changes)
    return cfg
