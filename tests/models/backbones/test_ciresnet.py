"""CIResNet: sizes of CIResNet-22, no cell has seen padding, no ReLU at the end, names of the
published weights."""

from __future__ import annotations

import pytest
import torch

from usot_plugin.models import CIResNet
from usot_plugin.models.backbones.ciresnet import CropInsideUnit


@pytest.mark.parametrize(('side', 'cells'), [(127, 5), (239, 19), (255, 21)])
def test_sizes(side, cells):
    net = CIResNet(base_channels=4).eval()
    assert net(torch.rand(1, 3, side, side)).shape == (1, 32, cells, cells)


def test_it_has_22_layers_and_the_published_names():
    net = CIResNet()
    convolutions = [
        name
        for name, module in net.named_modules()
        if isinstance(module, torch.nn.Conv2d) and 'downsample' not in name
    ]
    assert len(convolutions) == 22 and net.out_channels == 512
    # The pooling is child 1 of the second stage, so that its second unit is called layer2.2.
    assert {'layer1.2.conv3.weight', 'layer1.0.downsample.0.weight', 'layer2.4.bn3.weight'} <= set(
        net.state_dict()
    )
    assert not any(name.startswith('layer2.1.') for name in net.state_dict())


def test_a_unit_equals_one_without_padding():
    unit = CropInsideUnit(16, 4).eval()
    x = torch.randn(2, 16, 9, 9)
    inner = unit.relu(
        unit.bn2(torch.nn.functional.conv2d(unit.relu(unit.bn1(unit.conv1(x))), unit.conv2.weight))
    )
    torch.testing.assert_close(
        unit(x), torch.relu(unit.bn3(unit.conv3(inner)) + x[:, :, 1:-1, 1:-1])
    )


def test_cells_do_not_depend_on_where_the_crop_ends():
    net = CIResNet(base_channels=4).eval()
    large = torch.randn(1, 3, 255, 255)
    # Cell 8 of 21 begins 64 px further: the same pixels, so the same features, borders included.
    torch.testing.assert_close(
        net(large[:, :, 64:191, 64:191]), net(large)[:, :, 8:13, 8:13], atol=1e-5, rtol=1e-4
    )


def test_features_may_be_negative():
    assert (CIResNet(base_channels=4).eval()(torch.randn(1, 3, 127, 127)) < 0).any()


@pytest.mark.parametrize(
    'options', [dict(stage_blocks=(3,)), dict(stage_blocks=(0, 4)), dict(base_channels=0)]
)
def test_impossible_numbers_are_refused(options):
    with pytest.raises(ValueError, match='CIResNet'):
        CIResNet(**options)
