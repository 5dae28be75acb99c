"""Trackers from configs and checkpoints; checkpoints that do not fit or are not safe."""

from __future__ import annotations

import os
from collections import OrderedDict

import numpy as np
import pytest
import torch

from tests.evaluation.tiny_benchmark import TemplateMatcher
from usot_plugin.apis import init_tracker
from usot_plugin.registry import MODELS
from usot_plugin.testing.media import moving_square_frames
from usot_plugin.tracking import StandStill, USOTTracker
from usot_plugin.utils.checkpoint import CheckpointError
from usot_plugin.utils.config import ConfigError

MODEL = dict(
    type='USOT',
    data_preprocessor=dict(type='SOTDataPreprocessor', mean=[104, 117, 123], std=[57, 57, 58]),
    backbone=dict(type='SiameseResNet', blocks='basic', stage_blocks=(1, 1, 1), base_channels=4),
    neck=dict(type='AdjustNeck', in_channels=16, out_channels=8),
    head=dict(type='USOTHead', channels=8, tower_depth=1, memory=dict(type='CycleMemoryNeck')),
    test_cfg=dict(type='USOTTracker', memory_size=5),
)


@pytest.fixture(scope='module')
def weights():
    torch.manual_seed(3)
    return MODELS.build(dict(MODEL)).state_dict()


def test_tracker_of_the_config_with_its_weights(tmp_path, weights):
    torch.save(
        {
            'state_dict': OrderedDict((f'module.{key}', value) for key, value in weights.items()),
            'meta': {},
        },
        tmp_path / 'c.pth',
    )
    tracker = init_tracker(dict(model=MODEL), tmp_path / 'c.pth', device='cpu')
    assert (
        isinstance(tracker, USOTTracker) and tracker.memory_size == 5 and not tracker.model.training
    )
    torch.testing.assert_close(dict(tracker.model.state_dict()), dict(weights))
    frames, boxes = moving_square_frames(3)
    state = tracker.init(frames[0], boxes[0])
    prediction, _ = tracker.update(frames[1], state)
    assert np.isfinite(prediction.boxes_xyxy).all()


def test_config_file_and_options(tmp_path, weights):
    torch.save(weights, tmp_path / 'raw.pth')
    (tmp_path / 'c.py').write_text(f'model = {MODEL!r}\n')
    tracker = init_tracker(
        tmp_path / 'c.py', tmp_path / 'raw.pth', cfg_options={'model.test_cfg.memory_size': 6}
    )
    assert tracker.memory_size == 6


def test_the_config_of_the_caller_stays_as_it_was():
    config = dict(model=dict(MODEL))
    init_tracker(config, 'none', cfg_options={'model.test_cfg.memory_size': 6})
    assert config == dict(model=MODEL)


def test_no_weights_are_refused_before_a_model_is_built(monkeypatch):
    monkeypatch.setattr(MODELS, 'build', None)
    with pytest.raises(ConfigError, match="no weights are given .* or 'none' for random weights"):
        init_tracker(dict(model=MODEL), device='cpu')
    with pytest.raises(CheckpointError, match='no such checkpoint'):
        init_tracker(dict(model=MODEL), 'missing.pth', device='cpu')


def test_another_tracker_needs_no_model():
    assert isinstance(init_tracker({}, tracker=dict(type='StandStill')), StandStill)
    assert init_tracker({}, tracker=dict(type='TemplateMatcher', lost_below=0.5)).lost_below == 0.5
    assert TemplateMatcher


@pytest.mark.parametrize(
    ('tracker', 'message'),
    [
        (dict(type='StandStil'), "'StandStil' is no tracker; known are .*StandStill"),
        (dict(type='OPE'), "'OPE' is no tracker"),
        (dict(type='StandStill', memory=1), "no option 'memory'"),
        (dict(type='USOTTracker', memori_size=1), "did you mean 'memory_size'"),
    ],
)
def test_wrong_trackers(tracker, message):
    with pytest.raises(ValueError, match=message):
        init_tracker(dict(model=MODEL), 'none', tracker=tracker)


def test_no_model_in_the_config(tmp_path):
    with pytest.raises(ConfigError, match='there is no model'):
        init_tracker({})
    with pytest.raises(ConfigError, match='no such config'):
        init_tracker(tmp_path / 'none.py')


def test_checkpoint_of_another_model_names_the_keys(tmp_path):
    torch.save({'state_dict': torch.nn.Linear(2, 3).state_dict()}, tmp_path / 'other.pth')
    with pytest.raises(CheckpointError) as caught:
        init_tracker(dict(model=MODEL), tmp_path / 'other.pth')
    message = str(caught.value)
    assert (
        message.startswith(f'{tmp_path / "other.pth"}: does not fit USOT: ') and '\n' not in message
    )
    assert (
        'weights are missing (backbone.' in message
        and '2 are unknown to it (weight, bias)' in message
    )


class Payload:
    """Runs a command when it is unpickled the unsafe way."""

    def __init__(self, marker: str) -> None:
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (self.marker,)


def test_a_checkpoint_with_code_is_refused_and_not_run(tmp_path):
    torch.save({'state_dict': {}, 'x': Payload(str(tmp_path / 'ran'))}, tmp_path / 'bad.pth')
    with pytest.raises(
        CheckpointError, match=r'bad.pth: refused: it holds the Python object \S*mkdir'
    ) as caught:
        init_tracker(dict(model=MODEL), tmp_path / 'bad.pth')
    assert '\n' not in str(caught.value) and not (tmp_path / 'ran').exists()


def test_missing_checkpoint(tmp_path):
    with pytest.raises(CheckpointError, match='no such checkpoint'):
        init_tracker(dict(model=MODEL), tmp_path / 'none.pth')


@pytest.mark.parametrize('device', ['cuda:99', 'gpu'])
def test_a_device_that_is_not_there(tmp_path, weights, device):
    torch.save(weights, tmp_path / 'raw.pth')
    with pytest.raises(ValueError, match=f"device '{device}' cannot be used"):
        init_tracker(dict(model=MODEL), tmp_path / 'raw.pth', device=device)


def test_a_diverged_network_loses_its_target_and_does_not_fail():
    tracker = init_tracker(dict(model=MODEL), 'none', device='cpu')
    for parameter in tracker.model.parameters():
        parameter.data.fill_(torch.nan)
    frames, boxes = moving_square_frames(5)
    state = tracker.init(frames[0], boxes[0])
    for frame in frames[1:]:
        prediction, state = tracker.update(frame, state)
    np.testing.assert_allclose(prediction.boxes_xyxy[0], boxes[0])
    assert prediction.scores[0] == 0 and prediction.lost[0]
