"""Precise RoI pooling: goldens, closed form, a slow twin and gradcheck."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from usot_plugin.models.layers.prroi_pool import PrRoIPool, prroi_pool

from .usot_parity import golden, tensor


def test_golden_output_and_gradients():
    data = golden('prroi_golden.npz')
    features, rois = (
        tensor(data['features']).requires_grad_(),
        tensor(data['rois']).requires_grad_(),
    )
    out = prroi_pool(features, rois[:, 1:], 7, rois[:, 0].long())
    out.backward(tensor(data['grad_out']))
    assert np.allclose(out.detach(), data['out_f64'], atol=1e-12)
    assert np.allclose(features.grad, data['grad_feat_f64'], atol=1e-12)
    assert np.allclose(rois.grad[:, 1:], data['grad_rois_f64'][:, 1:], atol=1e-10)


def test_golden_in_single_precision():
    data = golden('prroi_golden.npz')
    out = prroi_pool(
        tensor(data['features']).float(),
        tensor(data['rois'])[:, 1:].float(),
        7,
        tensor(data['rois'])[:, 0].long(),
    )
    assert np.abs(out.numpy() - data['out_f32']).max() < 1e-5


def test_linear_ramp_pools_to_its_value_at_the_bin_centres():
    # The bilinear surface of a ramp is the ramp itself, and its mean over a bin is its value at the
    # bin's centre.
    y, x = torch.meshgrid(
        torch.arange(9.0, dtype=torch.float64),
        torch.arange(11.0, dtype=torch.float64),
        indexing='ij',
    )
    out = prroi_pool(
        (2 * x + 3 * y)[None, None],
        torch.tensor([[1.0, 2.0, 5.0, 6.0]], dtype=torch.float64),
        (2, 4),
    )
    centre_x = torch.tensor([1.5, 2.5, 3.5, 4.5], dtype=torch.float64)
    centre_y = torch.tensor([3.0, 5.0], dtype=torch.float64)
    assert torch.allclose(out[0, 0], 2 * centre_x + 3 * centre_y[:, None])


def test_numerical_integration_agrees():
    generator = torch.Generator().manual_seed(0)
    features = torch.rand(1, 2, 6, 7, generator=generator, dtype=torch.float64)
    box = torch.tensor([[-0.7, 0.9, 4.3, 6.2]], dtype=torch.float64)  # hangs over two borders
    out = prroi_pool(features, box, 3)
    steps = 300
    for p in range(3):
        for q in range(3):
            x = -0.7 + (q + (np.arange(steps) + 0.5) / steps) * 5.0 / 3
            y = 0.9 + (p + (np.arange(steps) + 0.5) / steps) * 5.3 / 3
            weight_x = np.clip(1 - np.abs(x[:, None] - np.arange(7)), 0, None)
            weight_y = np.clip(1 - np.abs(y[:, None] - np.arange(6)), 0, None)
            mean = np.einsum('si,cij,tj->cst', weight_y, features[0].numpy(), weight_x).mean(
                axis=(1, 2)
            )
            assert np.allclose(out[0, :, p, q], mean, atol=1e-4)


def test_gradcheck_in_features_and_boxes():
    features = torch.rand(2, 2, 5, 6, dtype=torch.float64, requires_grad=True)
    boxes = torch.tensor(
        [[0.3, 0.4, 3.7, 3.1], [-0.6, 1.2, 5.45, 4.9]], dtype=torch.float64, requires_grad=True
    )
    assert torch.autograd.gradcheck(lambda f, b: prroi_pool(f, b, 3), (features, boxes))


@pytest.mark.parametrize('box', [[2.0, 2.0, 2.0, 4.0], [4.0, 1.0, 2.0, 3.0]])
def test_box_without_extent_is_zero_and_has_finite_gradient(box):
    features = torch.rand(1, 1, 5, 5, requires_grad=True)
    boxes = torch.tensor([box], requires_grad=True)
    out = PrRoIPool(2)(features, boxes)
    out.sum().backward()
    assert (out == 0).all()
    assert torch.isfinite(boxes.grad).all() and (features.grad == 0).all()


def test_box_count_must_match_without_batch_index():
    with pytest.raises(ValueError, match='3 boxes for 2 samples'):
        prroi_pool(torch.rand(2, 1, 4, 4), torch.rand(3, 4), 2)


@pytest.mark.parametrize(('dtype', 'tolerance'), [(torch.bfloat16, 0.02), (torch.float16, 0.0025)])
def test_half_precision_features_do_not_move_the_box(dtype, tolerance):
    # Small boxes in the middle of a search map; with coordinates in the features' precision the
    # error is 0.35 and 0.04.
    generator = torch.Generator().manual_seed(0)
    features = torch.rand(64, 4, 31, 31, generator=generator)
    centre, size = (
        torch.rand(64, 2, generator=generator) * 14 + 10,
        torch.rand(64, 2, generator=generator) * 3 + 1,
    )
    boxes = torch.cat([centre - size / 2, centre + size / 2], dim=1)
    pooled = prroi_pool(features.to(dtype), boxes, 7)
    assert pooled.dtype == dtype
    assert (pooled.float() - prroi_pool(features, boxes, 7)).abs().max() < tolerance
