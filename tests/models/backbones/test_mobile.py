"""Mobile backbones: public names, cells where the heads expect them, and no foreign weights."""

import pytest
import torch

from usot_plugin.models import EfficientNetLite0Backbone, HostBackbone, MobileNetV2Backbone
from usot_plugin.utils.checkpoint import CheckpointError
from usot_plugin.utils.published_weights import convert_mobile

BODIES = [
    (dict(type='MobileNetV2Backbone', outputs=(6, 13)), 'padded', 128),
    (dict(type='EfficientNetLite0Backbone', outputs=(4, 10)), 'same', 152),
]


@pytest.mark.parametrize(('body', 'cells', 'channels'), BODIES)
def test_maps_have_the_cells_of_the_siamese_resnet(body, cells, channels):
    backbone = HostBackbone(body, outputs=(0, 1), cells=cells).eval()
    assert backbone.strides == (8, 16) and backbone.out_channels == channels
    assert backbone(torch.rand(1, 3, 127, 127)).shape == (1, channels, 15, 15)
    assert backbone(torch.rand(1, 3, 255, 255)).shape == (1, channels, 31, 31)


@pytest.mark.parametrize(('body', 'cells', 'channels'), BODIES)
def test_a_cell_looks_at_its_own_pixel(body, cells, channels):
    torch.manual_seed(0)
    backbone = HostBackbone(body, outputs=(0,), cells=cells).eval()
    # All paths are open, so that the gradient is the receptive field, even on both sides.
    for parameter in backbone.parameters():
        torch.nn.init.constant_(parameter, 0.1 if parameter.ndim == 4 else 1.0)
    for module in backbone.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.constant_(module.running_var, 1e4)
    images = torch.rand(1, 3, 255, 255, requires_grad=True)
    backbone(images)[0, :, 15, 15].sum().backward()
    seen = images.grad.abs().sum((0, 1))
    axis = torch.arange(255.0)
    middle = [float((seen.sum(dim) * axis).sum() / seen.sum()) for dim in (0, 1)]
    assert middle == pytest.approx([8 * 15 + 7] * 2, abs=0.6)


def test_outputs_are_block_numbers():
    with pytest.raises(ValueError, match=r'ascending block numbers in 0\.\.17, got \[13, 6\]'):
        MobileNetV2Backbone(outputs=(13, 6))


def test_names_and_shapes_of_the_public_weights():
    mobile, lite = (
        MobileNetV2Backbone((13,)).state_dict(),
        EfficientNetLite0Backbone((10,)).state_dict(),
    )
    assert mobile['features.1.conv.3.weight'].shape == (16, 32, 1, 1)
    assert (
        mobile['features.13.conv.3.weight'].shape == (576, 1, 3, 3)
        and 'features.14.conv.0.weight' not in mobile
    )
    assert lite['_blocks.3._depthwise_conv.weight'].shape == (144, 1, 5, 5)
    assert (
        lite['_blocks.10._project_conv.weight'].shape == (112, 672, 1, 1)
        and '_blocks.11._bn0.weight' not in lite
    )


def test_torchvisions_groups_are_flattened():
    own = MobileNetV2Backbone((6,)).state_dict()
    nested = {}
    for key, value in own.items():
        parts = key.split('.')
        if parts[2] == 'conv':
            layer, expands = int(parts[3]), parts[1] != '1'
            groups = 2 if expands else 1
            place = (
                f'{layer // 3}.{layer % 3}'
                if layer < 3 * groups
                else str(groups + layer - 3 * groups)
            )
            key = '.'.join([*parts[:3], place, *parts[4:]])
        nested[key] = value
    nested['classifier.1.weight'] = torch.zeros(1)
    assert nested.keys() != own.keys()
    converted = convert_mobile(nested)
    assert converted.keys() == own.keys() and all(converted[key] is own[key] for key in own)
    assert convert_mobile(own).keys() == own.keys()


def test_weights_of_another_network_are_refused(tmp_path):
    torch.save({'state_dict': EfficientNetLite0Backbone((4,)).state_dict()}, tmp_path / 'lite.pth')
    network = MobileNetV2Backbone(
        (6,), init_cfg=dict(type='Pretrained', checkpoint=str(tmp_path / 'lite.pth'))
    )
    with pytest.raises(CheckpointError, match='does not fit MobileNetV2Backbone'):
        network.init_weights()
