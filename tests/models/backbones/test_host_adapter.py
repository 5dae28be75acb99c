"""Where the cells of wrapped backbones sit, on bodies whose output is known in closed form."""

from __future__ import annotations

import pytest
import torch
from mmengine.model import BaseModule
from torch import nn
from torch.nn import functional as F

from usot_plugin.models.backbones.host_adapter import HostBackbone, resample_cells
from usot_plugin.registry import MODELS


@MODELS.register_module()
class PickEvery(nn.Module):
    """Cell k is the pixel ``stride * k``, as a padded network's cells sit; one map for each
    stride."""

    def __init__(self, strides=(8,)) -> None:
        super().__init__()
        self.strides = strides

    def forward(self, images):
        return [images[..., ::stride, ::stride] for stride in self.strides]


@MODELS.register_module()
class MeanOfPatches(PickEvery):
    """Cell k is the mean of its patch, the last patch cut short."""

    def forward(self, images):
        return tuple(
            F.avg_pool2d(images, stride, ceil_mode=True, count_include_pad=False)
            for stride in self.strides
        )


@MODELS.register_module()
class OneMap(BaseModule):
    def forward(self, images):
        return images[..., ::8, ::8]


def ramp(side: int) -> torch.Tensor:
    """A picture whose value is its x in channel 0 and its y in channel 1."""
    axis = torch.arange(side, dtype=torch.float32)
    return torch.stack(
        [axis.expand(side, side), axis[:, None].expand(side, side), torch.zeros(side, side)]
    )[None]


@pytest.mark.parametrize('side', [127, 255, 271])
@pytest.mark.parametrize(
    ('body', 'options'),
    [
        (dict(type='PickEvery'), {}),
        (dict(type='OneMap'), {}),
        (dict(type='PickEvery', strides=(4,)), {}),
        (dict(type='PickEvery', strides=(8, 16)), dict(outputs=(0, 1))),
        (dict(type='MeanOfPatches', strides=(8, 16)), dict(outputs=(0, 1), cells='patches')),
        (dict(type='MeanOfPatches', strides=(4, 8)), dict(outputs=(1,), cells='patches')),
    ],
)
def test_cell_k_sits_at_pixel_8k_plus_7(body, options, side):
    backbone = HostBackbone(body, **options)
    features = backbone(ramp(side))
    cells = (side - 7) // 8
    assert features.shape == (1, backbone.out_channels, cells, cells)
    wanted = 8 * torch.arange(cells, dtype=torch.float32) + 7
    # Coarser cells and patches at the edges mix in the repeated border, or are cut short.
    exact = body['type'] != 'MeanOfPatches' and max(backbone.strides) <= 8
    keep = slice(None) if exact else slice(2, cells - 2)
    for first in range(0, backbone.out_channels, 3):
        torch.testing.assert_close(features[0, first, 0, keep], wanted[keep], rtol=0, atol=1e-3)
        torch.testing.assert_close(features[0, first + 1, keep, 0], wanted[keep], rtol=0, atol=1e-3)


def test_resampling_equals_a_slow_loop():
    torch.manual_seed(1)
    features = torch.randn(2, 3, 6, 5)
    positions = torch.tensor([-0.5, 0.0, 1.25, 3.5, 7.0])
    got = resample_cells(features, positions)
    for i, y in enumerate(positions.tolist()):
        for j, x in enumerate(positions.tolist()):
            y_, x_ = min(max(y, 0), 5), min(max(x, 0), 4)
            y0, x0 = int(min(y_, 4)), int(min(x_, 3))
            fy, fx = y_ - y0, x_ - x0
            corners = features[:, :, y0 : y0 + 2, x0 : x0 + 2]
            expected = (1 - fy) * ((1 - fx) * corners[..., 0, 0] + fx * corners[..., 0, 1])
            expected = expected + fy * ((1 - fx) * corners[..., 1, 0] + fx * corners[..., 1, 1])
            torch.testing.assert_close(got[:, :, i, j], expected)


@pytest.mark.parametrize(
    ('body', 'options', 'message'),
    [
        (dict(type='PickEvery'), dict(cells='centred'), 'cells is one of'),
        (dict(type='PickEvery'), dict(outputs=(2,)), 'gives 1 maps, outputs are'),
        (dict(type='PickEvery', strides=(9,)), {}, 'which is no whole stride'),
    ],
)
def test_what_cannot_be_is_refused(body, options, message):
    with pytest.raises(ValueError, match=message):
        HostBackbone(body, **options)


@pytest.mark.full_host
def test_shifting_the_picture_by_a_cell_shifts_the_features_of_a_dilated_resnet():
    body = dict(
        type='mmdet.ResNet',
        depth=18,
        base_channels=8,
        num_stages=3,
        strides=(1, 2, 1),
        dilations=(1, 1, 2),
        out_indices=(2,),
    )
    import mmdet.registry  # noqa: F401  (as default_scope = 'mmdet' does)

    backbone = HostBackbone(body).eval()
    assert backbone.strides == (8,) and backbone.margin_px == 1
    picture = torch.rand(1, 3, 263, 263)
    a, b = backbone(picture[..., :255, :255]), backbone(picture[..., 8:, 8:])
    torch.testing.assert_close(a[..., 13:20, 13:20], b[..., 12:19, 12:19], rtol=1e-4, atol=1e-5)
