"""Scalars and pictures in TensorBoard and Weights & Biases, through MMEngine's back ends."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from mmengine.runner import Runner
from mmengine.visualization import Visualizer

from tests.engine.tiny_training import tiny_config
from usot_plugin.datasets.benchmarks.sequence import AnnotatedSequence
from usot_plugin.engine.hooks import SOTVisualizationHook
from usot_plugin.structures.clip import ArrayClip

REPO = Path(__file__).parents[2]
#: What a naive and a cycle epoch log.
SCALARS = {'loss', 'loss_cls', 'loss_reg', 'loss_mem', 'lr'}


def _train(folder, **back_end) -> None:
    changes = {
        f'visualizer.vis_backends.0.{key}': value for key, value in back_end.items()
    }  # as --cfg-options does it
    Runner.from_cfg(
        tiny_config(
            folder,
            **{'default_hooks.logger.interval': 1, 'visualizer.name': str(folder), **changes},
        )
    ).train()


def _draw_pictures(visualizer: Visualizer) -> None:
    boxes = np.tile([20.0, 30, 60, 70], (5, 1))
    sequence = AnnotatedSequence('swan', ArrayClip(np.zeros((5, 96, 128, 3), np.uint8)), boxes)
    sample = {'name': 'swan', 'tracker': 'Mine', 'boxes_xyxy': boxes + 20, 'scores': np.ones(5)}
    SOTVisualizationHook(interval=4, out_dir=None).after_test_iter(
        SimpleNamespace(visualizer=visualizer, work_dir=''), 0, [sequence], [sample]
    )


@pytest.mark.process
def test_tensorboard_gets_scalars_and_pictures(tmp_path):
    accumulator = pytest.importorskip('tensorboard.backend.event_processing.event_accumulator')

    def read(folder):
        (file,) = folder.rglob('events.out.tfevents.*')
        return accumulator.EventAccumulator(str(file), size_guidance={'images': 0}).Reload()

    _train(tmp_path, type='TensorboardVisBackend')
    events = read(tmp_path)
    assert set(events.Tags()['scalars']) >= SCALARS
    assert [event.step for event in events.Scalars('loss')] == list(range(1, 9)), (
        'every step of two epochs'
    )
    assert all(np.isfinite(event.value) for event in events.Scalars('loss'))

    visualizer = Visualizer(
        vis_backends=[dict(type='TensorboardVisBackend')], save_dir=str(tmp_path / 'pictures')
    )
    _draw_pictures(visualizer)
    visualizer.close()
    pictures = read(tmp_path / 'pictures').Images('Mine_swan')
    assert [(picture.step, picture.width, picture.height) for picture in pictures] == [
        (0, 128, 96),
        (4, 128, 96),
    ]


class _StandIn(ModuleType):
    """What MMEngine calls of the wandb module, written down."""

    def __init__(self) -> None:
        super().__init__('wandb')
        self.started: dict = {}
        self.logged: list[dict] = []
        self.config = SimpleNamespace(update=lambda *_, **__: None)
        self.run = SimpleNamespace(log_code=lambda **_: None)

    def init(self, **options) -> None:
        self.started = options

    def log(self, values, **_) -> None:
        self.logged.append(dict(values))

    def join(self) -> None:
        self.started['joined'] = True

    Image = staticmethod(np.shape)


@pytest.mark.process
def test_wandb_gets_scalars_and_pictures(tmp_path, monkeypatch):
    wandb = _StandIn()
    monkeypatch.setitem(sys.modules, 'wandb', wandb)
    _train(tmp_path, type='WandbVisBackend', init_kwargs=dict(project='tracking', mode='offline'))
    assert wandb.started['project'] == 'tracking' and wandb.started['mode'] == 'offline'
    assert set().union(*wandb.logged) >= SCALARS
    wandb.logged.clear()
    _draw_pictures(
        Visualizer(vis_backends=[dict(type='WandbVisBackend')], save_dir=str(tmp_path / 'pictures'))
    )
    assert wandb.logged == [{'Mine_swan': (96, 128, 3)}] * 2


#: Whole seconds; W&B starts a service of its own, which took half a minute on a busy machine.
LONGEST_RUN_S = 240


@pytest.mark.process
def test_wandb_itself_takes_a_run_without_a_network(tmp_path):
    pytest.importorskip('wandb')
    code = 'from tests.engine.test_vis_backends import train_offline; train_offline()'
    environment = {
        **os.environ,
        'WANDB_SILENT': 'true',
        'RUN_FOLDER': str(tmp_path),
        'PYTHONPATH': os.pathsep.join(sys.path),
    }
    try:  # in a process of its own: a service that never answers would hold up all other tests
        subprocess.run(
            [sys.executable, '-c', code],
            env=environment,
            cwd=REPO,
            check=True,
            timeout=LONGEST_RUN_S,
        )
    except subprocess.TimeoutExpired:
        pytest.skip(f'W&B did not finish within {LONGEST_RUN_S} s')
    assert list(tmp_path.rglob('offline-run-*/*.wandb'))


def train_offline() -> None:
    """What the test above runs."""
    _train(
        Path(os.environ['RUN_FOLDER']),
        type='WandbVisBackend',
        init_kwargs=dict(project='tracking', mode='offline'),
    )
