"""Multiply-adds in closed form, against MMEngine's own counter, and of every method's tracker."""

from __future__ import annotations

import math

import pytest
import torch
from mmengine.analysis import FlopAnalyzer
from mmengine.config import Config
from torch import nn

from usot_plugin.apis.complexity import multiply_adds, tracker_complexity
from usot_plugin.registry import MODELS
from usot_plugin.utils.config import ConfigError
from usot_plugin.utils.packaged import packaged_folder

CONFIGS = packaged_folder('configs')
METHODS = {
    'usot_quick': 'USOTTracker',
    'udt_quick': 'UDTTracker',
    's2siamfc_quick': 'SiamFCTracker',
    'cyclesiam-plus_quick': 'SiamRPNTracker',
}


def _model(name: str) -> dict:
    return Config.fromfile(CONFIGS / f'quick/{name}.py').model.to_dict()


class _Parts(nn.Module):
    """A convolution called through its holder's method, and a linear layer inside a called
    module."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.ModuleDict({'conv': nn.Conv2d(3, 8, 3, padding=1, groups=1)})
        self.tail = nn.Sequential(nn.Flatten(), nn.Linear(8 * 6 * 5, 7))


def test_convolutions_and_products_in_closed_form():
    model = _Parts()
    _, spent = multiply_adds(lambda: model.tail(model.head['conv'](torch.zeros(2, 3, 6, 5))), model)
    conv, linear = 2 * 8 * 6 * 5 * 3 * 9, 2 * 8 * 6 * 5 * 7
    assert spent == {
        'head.conv': conv,
        'head': conv,
        'tail.1': linear,
        'tail': linear,
        'tail.0': 0,
        '': conv + linear,
    }
    assert not any(module._forward_hooks for module in model.modules()), 'the model is as it was'


@pytest.mark.parametrize(
    ('function', 'factor'),
    [(lambda x: torch.fft.irfft2(torch.fft.rfft2(x)), 2), (torch.fft.rfft2, 1)],
)
def test_fourier_transforms_are_half_of_their_operations(function, factor):
    _, spent = multiply_adds(lambda: function(torch.zeros(3, 16, 8)), nn.Identity())
    assert spent[''] == factor * 3 * round(1.25 * 128 * math.log2(128))


@pytest.mark.process
@pytest.mark.parametrize(('name', 'tracker'), METHODS.items(), ids=METHODS)
def test_every_method_is_counted(name, tracker):
    cfg = _model(name)
    found = tracker_complexity(cfg)
    assert found.tracker == tracker
    assert found.parameters == sum(
        parameter.numel() for parameter in MODELS.build(cfg).parameters()
    )
    assert found.search_branch >= found.template_branch > 0
    looks = {'UDTTracker': 4, 'SiamFCTracker': 3}.get(
        tracker, 1
    )  # three scales, and UDT learns from the place that it has found
    assert found.tracked_frame > 0.95 * looks * found.search_branch
    assert (
        sum(cost.tracked_frame for module, cost in found.modules.items() if '.' not in module)
        <= found.tracked_frame
    )


def test_backbone_costs_what_mmengine_counts():
    cfg = _model('usot_quick')
    model = MODELS.build(cfg).eval()
    crop = torch.zeros(1, 3, 255, 255)
    expected = (
        FlopAnalyzer(model.backbone, crop).unsupported_ops_warnings(False).by_operator()['conv']
    )
    assert tracker_complexity(cfg).modules['backbone'].tracked_frame == expected


def test_larger_crops_cost_more_and_must_fit():
    cfg = _model('usot_quick')
    assert tracker_complexity(cfg, (127, 271)).tracked_frame > tracker_complexity(cfg).tracked_frame
    with pytest.raises(ValueError, match='UDTTracker has crops of one size, got 125 and 141'):
        tracker_complexity(_model('udt_quick'), (125, 141))
    with pytest.raises(ValueError, match='crops of 127 and 20 px do not fit the network'):
        tracker_complexity(_model('s2siamfc_quick'), (127, 20))


def test_a_model_without_a_tracker_is_refused():
    cfg = {**_model('usot_quick'), 'test_cfg': None}
    with pytest.raises(ConfigError, match='USOT is no single-object tracker with a test_cfg'):
        tracker_complexity(cfg)
