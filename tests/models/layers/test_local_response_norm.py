"""Local response normalisation against PyTorch's own, in both of its ways and with gradients."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from usot_plugin.models.backbones.dcfnet import DCFNetBackbone
from usot_plugin.models.layers.local_response_norm import LocalResponseNorm, local_response_norm


@pytest.mark.parametrize('beta', [0.75, 0.5])
@pytest.mark.parametrize(('channels', 'size'), [(32, 5), (3, 5), (1, 3), (8, 1)])
def test_equals_pytorch(channels, size, beta):
    maps = 100 * torch.randn(2, channels, 4, 3)
    expected = F.local_response_norm(maps, size, 1e-3, beta, 1.5)
    for grad in (True, False):
        with torch.set_grad_enabled(grad):
            torch.testing.assert_close(
                local_response_norm(maps, size, 1e-3, beta, 1.5), expected, rtol=1e-5, atol=1e-5
            )
    with torch.no_grad():
        last = maps.contiguous(memory_format=torch.channels_last)
        torch.testing.assert_close(
            LocalResponseNorm(size, 1e-3, beta, 1.5)(last), expected, rtol=1e-5, atol=1e-5
        )


def test_gradients_agree_with_finite_differences():
    maps = torch.randn(1, 6, 2, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: local_response_norm(x, 5, 0.3), maps)


def test_even_size_is_refused():
    with pytest.raises(ValueError, match='odd, got 4'):
        LocalResponseNorm(4)


def test_large_values_survive_autocast():
    maps = torch.full((1, 4, 2, 2), 300.0)
    with torch.autocast('cpu', torch.bfloat16):
        assert torch.equal(local_response_norm(maps), local_response_norm(maps.clone()))
        torch.testing.assert_close(
            local_response_norm(maps), F.local_response_norm(maps, 5), rtol=1e-5, atol=1e-4
        )


def test_backbone_keeps_or_loses_the_border():
    backbone = DCFNetBackbone(channels=4)
    crops = torch.randn(2, 3, 11, 9)
    inner = backbone(crops)
    assert inner.shape == (2, 4, 7, 5)
    assert backbone(crops, padding=1).shape == (2, 4, 11, 9)
    torch.testing.assert_close(backbone(crops, padding=1)[..., 2:-2, 2:-2], inner)
    reference = F.conv2d(F.relu(backbone.conv1(crops)), backbone.conv2.weight, backbone.conv2.bias)
    torch.testing.assert_close(inner, F.local_response_norm(reference, 5))
