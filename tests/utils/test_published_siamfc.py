"""Published SiamFC-AlexNet weights in the names of the common ports, generated here."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from usot_plugin.models import SiamFC
from usot_plugin.utils.published_weights import (
    UnknownCheckpointError,
    convert_siamfc,
    is_dcfnet,
    is_siamfc,
    is_usot,
)

TOOL = Path(__file__).parents[2] / 'tools' / 'convert_checkpoint.py'
FULL = dict(type='SiamFCAlexNet')


def published(prefix: str, norm: str | None = None) -> dict[str, torch.Tensor]:
    """Names and shapes of a port, values at random."""
    shapes = {
        'conv1': (96, 3, 11, 11),
        'conv2': (256, 48, 5, 5),
        'conv3': (384, 256, 3, 3),
        'conv4': (384, 192, 3, 3),
        'conv5': (256, 192, 3, 3),
    }
    state = {}
    for name, shape in shapes.items():
        state[f'{prefix}{name}.0.weight'] = torch.randn(shape) * 0.02
        state[f'{prefix}{name}.0.bias'] = torch.randn(shape[0])
        if name != 'conv5':
            for part in ('weight', 'bias', 'running_mean', 'running_var'):
                state[f'{prefix}{name}.1.{part}'] = torch.rand(shape[0]) + 0.5
            state[f'{prefix}{name}.1.num_batches_tracked'] = torch.tensor(7)
    if norm:
        state |= {
            f'{norm}.{part}': torch.rand(1)
            for part in ('weight', 'bias', 'running_mean', 'running_var')
        }
        state[f'{norm}.num_batches_tracked'] = torch.tensor(7)
    return state


@pytest.mark.parametrize('prefix', ['', 'features.', 'backbone.'])
@pytest.mark.parametrize('norm', [None, 'match_batchnorm', 'bn_adjust'])
def test_ports_fill_every_weight(prefix, norm):
    state = published(prefix, norm)
    assert is_siamfc(state) and not is_usot(state) and not is_dcfnet(state)
    model = SiamFC(FULL, response_scale=None if norm else 1e-3)
    model.load_state_dict(convert_siamfc(state), strict=True)
    assert torch.equal(model.backbone.conv4[0].weight, state[f'{prefix}conv4.0.weight'])


def test_foreign_keys_and_missing_layers_are_named():
    with pytest.raises(UnknownCheckpointError, match="'rpn.weight'"):
        convert_siamfc({**published(''), 'rpn.weight': torch.zeros(1)})
    cut = {key: value for key, value in published('').items() if 'conv3' not in key}
    with pytest.raises(UnknownCheckpointError, match="no layer 'conv3'"):
        convert_siamfc(cut)


@pytest.mark.process
def test_the_tool_converts(tmp_path):
    torch.save(published('module.features.', 'module.bn_adjust'), tmp_path / 'siamfc.pth')
    command = [sys.executable, str(TOOL), str(tmp_path / 'siamfc.pth'), str(tmp_path / 'ours.pth')]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and done.stdout.startswith('tracker: 35 tensors'), (
        done.stderr + done.stdout
    )
    SiamFC(FULL).load_state_dict(
        torch.load(tmp_path / 'ours.pth', weights_only=True)['state_dict'], strict=True
    )
