"""Conversion of published checkpoints, and the tool that does it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.models.usot_parity import GOLDEN, formula_state, usot_config
from usot_plugin.models import USOT
from usot_plugin.models.backbones.siamese_resnet import SiameseResNet
from usot_plugin.utils.checkpoint import extract_state_dict
from usot_plugin.utils.published_weights import UnknownCheckpointError, convert_resnet, convert_usot

TOOL = Path(__file__).parents[2] / 'tools' / 'convert_checkpoint.py'


def resnet50_state(prefix: str = '') -> dict[str, torch.Tensor]:
    """Names and shapes of a torchvision ResNet-50, shortcuts 1x1."""
    state = {}
    for key, value in SiameseResNet().state_dict().items():
        if key.endswith('downsample.0.weight') and value.shape[-1] == 3:
            value = value[:, :, 1:2, 1:2]
        state[prefix + key] = value.clone()
    state[prefix + 'fc.weight'] = torch.zeros(1000, 2048)
    state[prefix + 'layer4.0.conv1.weight'] = torch.zeros(512, 1024, 1, 1)
    return state


def run(*arguments):
    return subprocess.run(
        [sys.executable, str(TOOL), *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )


def test_usot_checkpoint_fills_every_parameter_once():
    state = formula_state(GOLDEN / 'state_keys_small.json')
    converted = convert_usot(state)
    assert len(converted) == len(state)
    USOT(**usot_config('small')).load_state_dict(converted, strict=True)


@pytest.mark.process
@pytest.mark.parametrize(
    'prefix', ['', 'module.encoder_q.', 'backbone.'], ids=['torchvision', 'moco', 'mmengine']
)
def test_resnet_shortcuts_move_to_the_centre_of_the_3x3(prefix):
    published = resnet50_state(prefix)
    converted = convert_resnet(extract_state_dict({'state_dict': published}, 'moco.pth'))
    backbone = SiameseResNet()
    backbone.load_state_dict(converted, strict=True)
    wide = backbone.layer2[0].downsample[0].weight
    assert torch.equal(wide[:, :, 1:2, 1:2], published[prefix + 'layer2.0.downsample.0.weight'])
    assert wide.abs().sum() == wide[:, :, 1, 1].abs().sum()


def test_moco_momentum_encoder_is_left_out():
    state = {
        **resnet50_state('module.encoder_q.'),
        **resnet50_state('module.encoder_k.'),
        'module.queue': torch.zeros(128, 4),
    }
    assert all(
        key.startswith(('conv1', 'bn1', 'layer'))
        for key in convert_resnet(extract_state_dict({'state_dict': state}, 'moco.pth'))
    )


def test_foreign_checkpoints_are_named():
    with pytest.raises(UnknownCheckpointError, match="'stem.weight'"):
        convert_usot(
            {'features.features.conv1.weight': torch.zeros(1), 'stem.weight': torch.zeros(1)}
        )
    with pytest.raises(UnknownCheckpointError, match='conv1.weight'):
        convert_resnet({'a': torch.zeros(1)})


@pytest.mark.process
def test_tool_converts_and_refuses(tmp_path):
    torch.save(
        {'state_dict': formula_state(GOLDEN / 'state_keys_small.json')}, tmp_path / 'published.pth'
    )
    done = run(tmp_path / 'published.pth', tmp_path / 'out' / 'ours.pth')
    assert done.returncode == 0 and 'tracker' in done.stdout, done.stderr
    USOT(**usot_config('small')).load_state_dict(
        torch.load(tmp_path / 'out' / 'ours.pth', weights_only=True)['state_dict']
    )

    torch.save({'something': torch.zeros(1)}, tmp_path / 'other.pth')
    refused = run(tmp_path / 'other.pth', tmp_path / 'no.pth')
    assert (
        refused.returncode == 2
        and 'other.pth' in refused.stderr
        and refused.stderr.count('\n') == 1
    )
    assert not (tmp_path / 'no.pth').exists()

    for content, cause in (
        (torch.zeros(3), 'holds a Tensor, not named tensors'),
        ({'state_dict': [1]}, 'no tensors in this file'),
    ):
        torch.save(content, tmp_path / 'odd.pth')
        odd = run(tmp_path / 'odd.pth', tmp_path / 'no.pth')
        assert (
            odd.returncode == 2
            and odd.stderr.startswith(f'error: {tmp_path}/odd.pth: {cause}')
            and odd.stderr.count('\n') == 1
        )
    blocked = run(tmp_path / 'published.pth', tmp_path / 'published.pth' / 'below.pth')
    assert (
        blocked.returncode == 2
        and 'below.pth: cannot be written' in blocked.stderr
        and blocked.stderr.count('\n') == 1
    )


@pytest.mark.process
def test_tool_on_a_full_disk_leaves_nothing(tmp_path):
    torch.save({'conv1.weight': torch.zeros(100_000)}, tmp_path / 'published.pth')
    command = (
        f'ulimit -f 100; exec {sys.executable} {TOOL} {tmp_path}/published.pth '
        f'{tmp_path}/out/ours.pth'
    )
    failed = subprocess.run(['bash', '-c', command], capture_output=True, text=True, check=False)
    assert (
        failed.returncode == 2
        and failed.stderr
        == f'error: {tmp_path}/out/ours.pth: cannot be written (a file in '
        f'{tmp_path}/out may not grow so large)\n'
    )
    assert not list((tmp_path / 'out').iterdir())
