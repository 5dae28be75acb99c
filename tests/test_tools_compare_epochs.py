"""tools/analysis/compare_epochs.py: a table over epochs, second run, missing checkpoints, test
splits; and a training that keeps all."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.registry import MODELS
from torch import nn

from tests.engine.tiny_training import tiny_config
from tests.evaluation.tiny_benchmark import TemplateMatcher, write_benchmark
from tests.test_tools_tracking import one_line
from usot_plugin.cli import compare_epochs as epochs_tool
from usot_plugin.engine.training_run import build_runner
from usot_plugin.registry import TASK_UTILS


@MODELS.register_module(force=True)
class OneNumber(nn.Module):
    """A model whose only weight is how far off its tracker's boxes are."""

    def __init__(self, test_cfg: dict | None = None) -> None:
        super().__init__()
        self.shift = nn.Parameter(torch.zeros(1))
        self.test_cfg = test_cfg


@TASK_UTILS.register_module(force=True)
class OneNumberTracker(TemplateMatcher):
    """Boxes shifted by the model's number."""

    def __init__(self, model: OneNumber) -> None:
        super().__init__()
        self.model = model

    def update(self, frames, state):
        prediction, state = super().update(frames, state)
        prediction.boxes_xyxy[:, [0, 2]] += self.model.shift.item()
        return prediction, state


@pytest.fixture
def trained(tmp_path) -> Path:
    """A config, checkpoints of epochs 2 to 5 (epoch 4 is the best) and sequences."""
    file = tmp_path / 'own.py'
    file.write_text("model = dict(type='OneNumber', test_cfg=dict(type='OneNumberTracker'))\n")
    (tmp_path / 'work').mkdir()
    for epoch, shift in ((2, 9.0), (3, 5.0), (4, 0.0), (5, 2.0)):
        torch.save(
            {'state_dict': {'shift': torch.tensor([shift])}, 'meta': {}},
            tmp_path / f'work/epoch_{epoch}.pth',
        )
    write_benchmark(tmp_path / 'videos', tuple('abcd'))
    return file


def compare(config: Path, epochs: str, *more: object, sequences: str = 'videos') -> int:
    root = config.parent
    fixed = (
        config,
        root / 'work',
        '--epochs',
        epochs,
        '--sequences',
        root / sequences,
        '--out',
        root / 'epochs',
    )
    return epochs_tool.main([str(arg) for arg in (*fixed, *more)])


def test_table_names_the_best_epoch_and_what_it_was_chosen_on(trained, capsys, monkeypatch):
    assert compare(trained, '2:5', '--every', 2) == 0
    table = capsys.readouterr().out.splitlines()
    rows = [line.split() for line in table[-4:]]
    assert [row[0] for row in rows] == ['2', '3', '4', '5'] and [
        row[-1] == 'best' for row in rows
    ] == [False, False, True, False]
    assert table[-5].split()[:2] == ['epoch', 'sot/success']
    values = [float(row[1]) for row in rows]
    assert values == sorted(values[:3]) + values[3:] and np.isclose(values[2], max(values))
    record = json.loads((trained.parent / 'epochs/epochs.json').read_text())
    assert record['best_epoch'] == 4 and record['checkpoint'].endswith('work/epoch_4.pth')
    assert record['tuned_on'] == {'dataset': 'videos', 'sequences': ['a', 'c'], 'test_split': False}
    # The same command goes on: nothing is tracked again.
    monkeypatch.setattr(OneNumberTracker, 'update', lambda *_: pytest.fail('tracked again'))
    assert compare(trained, '2:5', '--every', 2) == 0


def test_other_weights_do_not_pass_for_those_that_were_tracked(trained, capsys):
    assert compare(trained, '2:2', '--every', 2) == 0
    (trained.parent / 'work/epoch_5.pth').replace(trained.parent / 'work/epoch_2.pth')
    capsys.readouterr()
    assert compare(trained, '2:2', '--every', 2) == 2
    assert 'holds results of another run (weights: ' in one_line(capsys.readouterr().err)


def test_missing_epochs_are_named(trained, capsys):
    assert compare(trained, '4:7', '--every', 2) == 1
    assert (
        capsys.readouterr().err.splitlines()[-1]
        == f'no checkpoint of epochs [6, 7] in {trained.parent / "work"}'
    )
    assert compare(trained, '10:30', '--every', 2) == 2
    assert 'no checkpoint of epochs 10 to 30; there are [2, 3, 4, 5]' in one_line(
        capsys.readouterr().err
    )


def test_refusals(trained, capsys):
    assert compare(trained, '2:5') == 2
    assert 'say which sequences of the folder are for tuning' in one_line(capsys.readouterr().err)
    (trained.parent / 'videos').rename(trained.parent / 'VOT2018')
    assert compare(trained, '2:5', '--every', 2, sequences='VOT2018') == 2
    assert 'this is a test split (the folder is called like the benchmark VOT2018)' in one_line(
        capsys.readouterr().err
    )
    assert compare(trained, '4:4', '--every', 2, '--allow-test-split', sequences='VOT2018') == 0
    assert (
        json.loads((trained.parent / 'epochs/epochs.json').read_text())['tuned_on']['test_split']
        is True
    )
    capsys.readouterr()
    for wrong in ('30:10', '10', '0:3', 'a:b'):
        with pytest.raises(SystemExit) as stop:
            compare(trained, wrong)
        assert stop.value.code == 2 and 'expected FIRST:LAST' in one_line(capsys.readouterr().err)


@pytest.mark.process
def test_all_checkpoints_are_kept_on_request(tmp_path):
    # One step an epoch, so that five epochs take a moment.
    changes = {
        'train_cfg.max_epochs': 5,
        'model.train_cfg.cycle_start_epoch': 9,
        'train_dataloader.dataset.length': 1,
    }
    for name, keep, left in (
        ('usual', {}, [3, 4, 5]),
        ('all', {'default_hooks.checkpoint.max_keep_ckpts': -1}, [1, 2, 3, 4, 5]),
    ):
        cfg = tiny_config(tmp_path / name, batch=1, **changes, **keep)
        cfg.experiment_name = name
        build_runner(cfg, 'tiny.py').train()
        assert sorted(int(file.stem[6:]) for file in (tmp_path / name).glob('epoch_*.pth')) == left
