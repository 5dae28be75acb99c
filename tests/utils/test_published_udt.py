"""Published UDT and DCFNet networks under our names, in the old file form in which they are
published."""

from __future__ import annotations

import pytest
import torch

from tests.models.udt_parts import PIXELS
from tests.utils.test_legacy_checkpoint import with_python2_integer
from tests.utils.test_published_weights import run
from usot_plugin.models import UDT
from usot_plugin.utils.checkpoint import load_weights
from usot_plugin.utils.published_weights import UnknownCheckpointError, convert_dcfnet, is_dcfnet

SHAPES = {'0.weight': (32, 3, 3, 3), '0.bias': (32,), '2.weight': (32, 32, 3, 3), '2.bias': (32,)}


def published(prefix: str) -> dict[str, torch.Tensor]:
    return {prefix + key: torch.randn(shape) for key, shape in SHAPES.items()}


@pytest.mark.parametrize('prefix', ['feature.', 'feature.feature.'], ids=['dcfnet', 'udt'])
def test_every_parameter_is_filled_once(prefix):
    state = published(prefix)
    assert is_dcfnet(state)
    model = UDT(backbone=dict(type='DCFNetBackbone'), data_preprocessor=PIXELS)
    model.load_state_dict(convert_dcfnet(state), strict=True)
    assert torch.equal(model.backbone.conv2.bias, state[f'{prefix}2.bias'])


def test_a_foreign_key_is_named():
    assert not is_dcfnet({'conv1.weight': torch.zeros(1)})
    with pytest.raises(UnknownCheckpointError, match='fc.weight'):
        convert_dcfnet({**published('feature.'), 'fc.weight': torch.zeros(1)})


@pytest.mark.process
def test_tool_converts_what_python_2_saved(tmp_path):
    path = tmp_path / 'checkpoint.pth.tar'
    with_python2_integer(path, published('module.feature.feature.'))
    done = run(path, tmp_path / 'ours.pth')
    assert done.returncode == 0 and 'tracker: 4 tensors' in done.stdout, done.stderr
    model = UDT(backbone=dict(type='DCFNetBackbone'), data_preprocessor=PIXELS)
    load_weights(model, tmp_path / 'ours.pth')
