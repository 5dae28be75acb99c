from __future__ import annotations

import pytest
import torch

from usot_plugin.discovery.flow.pwc_lite import PWCLite, correlate_patches, warp

#: Weight shapes of a three-frame network with the reduced decoder, the kind of the published
#: ``pwclite_ar_mv.tar`` (github.com/lliuz/ARFlow, models/pwclite.py at a08dfe6, read as facts).
#: Each weight has a bias beside it.
MULTI_VIEW_WEIGHTS = {
    **{
        f'feature_pyramid_extractor.convs.{i}.0.0': (c, p, 3, 3)
        for i, (p, c) in enumerate([(3, 16), (16, 32), (32, 64), (64, 96), (96, 128), (128, 192)])
    },
    **{
        f'feature_pyramid_extractor.convs.{i}.1.0': (c, c, 3, 3)
        for i, c in enumerate([16, 32, 64, 96, 128, 192])
    },
    'flow_estimators.conv1.0': (128, 198, 3, 3),
    'flow_estimators.conv2.0': (128, 128, 3, 3),
    'flow_estimators.conv3.0': (96, 256, 3, 3),
    'flow_estimators.conv4.0': (64, 224, 3, 3),
    'flow_estimators.conv5.0': (32, 160, 3, 3),
    'flow_estimators.predict_flow.0': (2, 96, 3, 3),
    'context_networks.convs.0.0': (128, 68, 3, 3),
    'context_networks.convs.1.0': (128, 128, 3, 3),
    'context_networks.convs.2.0': (128, 128, 3, 3),
    'context_networks.convs.3.0': (96, 128, 3, 3),
    'context_networks.convs.4.0': (64, 96, 3, 3),
    'context_networks.convs.5.0': (32, 64, 3, 3),
    'context_networks.convs.6.0': (2, 32, 3, 3),
    **{f'conv_1x1.{i}.0': (32, c, 1, 1) for i, c in enumerate([192, 128, 96, 64, 32])},
}

#: Flow at (x, y) = (20, 10) and (100, 50) of the pair below with the weights below, from the public
#: network's own forward (ARFlow commit a08dfe6, CPU, float32, corners aligned when sampling). It
#: and this one differed by less than 2e-5.
PUBLIC_FLOW = {
    (2, True): [-21.23775, -36.15764, -19.70628, -29.8115],
    (2, False): [6.80369, 18.39904, 5.53407, 23.99678],
    (3, True): [-19.32057, -33.58045, -16.79018, -28.16557],
    (3, False): [6.87188, 19.9143, 7.60916, 23.89128],
}


def with_formula_weights(model: PWCLite) -> PWCLite:
    """Weights in closed form, so that a golden output needs no file."""
    with torch.no_grad():
        for name, weight in model.named_parameters():
            fan_in = weight[0].numel() if weight.ndim > 1 else 50
            wave = torch.sin(
                torch.arange(weight.numel(), dtype=torch.float64) ** 2 * 0.37 + len(name)
            )
            weight.copy_((wave * (2 / fan_in) ** 0.5).reshape(weight.shape))
    return model


def wave_image(time: int, height: int = 64, width: int = 128) -> torch.Tensor:
    y, x = torch.meshgrid(torch.arange(float(height)), torch.arange(float(width)), indexing='ij')
    return torch.stack([0.5 + 0.5 * torch.sin(x / 7 + y / (5 + c) + time * 0.3) for c in range(3)])[
        None
    ]


def test_weights_have_the_published_names_and_shapes():
    weights = PWCLite(frames=3).state_dict()
    given = {
        name.removesuffix('.weight'): tuple(value.shape)
        for name, value in weights.items()
        if name.endswith('.weight')
    }
    assert given == MULTI_VIEW_WEIGHTS
    assert {name.removesuffix('.bias') for name in weights if name.endswith('.bias')} == set(
        MULTI_VIEW_WEIGHTS
    )


@pytest.mark.parametrize(('frames', 'millions'), [(2, 2.24), (3, 2.37)])
def test_size_is_the_papers(frames, millions):
    # ARFlow (arXiv:2003.13045), Table 1: 2.24 M parameters, 2.37 M with multiple views.
    assert sum(p.numel() for p in PWCLite(frames).parameters()) / 1e6 == pytest.approx(
        millions, abs=0.005
    )


@pytest.mark.parametrize(('frames', 'reduced'), PUBLIC_FLOW)
def test_flow_equals_the_public_network(frames, reduced):
    model = with_formula_weights(PWCLite(frames, reduced))
    with torch.no_grad():
        flow = model(wave_image(0), wave_image(1), wave_image(-1) if frames == 3 else None)
    assert flow.shape == (1, 2, 64, 128)
    given = [*flow[0, :, 10, 20].tolist(), *flow[0, :, 50, 100].tolist()]
    assert given == pytest.approx(PUBLIC_FLOW[frames, reduced], abs=2e-3)


def test_correlation_equals_a_slow_loop():
    a, b = torch.randn(2, 3, 5, 6), torch.randn(2, 3, 5, 6)
    out = correlate_patches(a, b, radius=2)
    slow = torch.zeros(2, 25, 5, 6)
    for y in range(5):
        for x in range(6):
            for dy in range(-2, 3):
                for dx in range(-2, 3):
                    if 0 <= y + dy < 5 and 0 <= x + dx < 6:
                        slow[:, (dy + 2) * 5 + dx + 2, y, x] = (
                            a[:, :, y, x] * b[:, :, y + dy, x + dx]
                        ).mean(1)
    torch.testing.assert_close(out, slow)


def test_correlation_peaks_at_a_known_shift():
    a = torch.randn(1, 64, 12, 12)
    b = torch.roll(a, shifts=(-1, 3), dims=(2, 3))  # moved 3 right, 1 up
    inner = correlate_patches(a, b)[0, :, 5:7, 5:7]
    assert (inner.argmax(0) == (-1 + 4) * 9 + 3 + 4).all()


def test_warp_undoes_a_known_shift():
    a = torch.randn(1, 2, 9, 11)
    b = torch.roll(a, shifts=(2, 1), dims=(2, 3))
    flow = torch.tensor([1.0, 2.0]).reshape(1, 2, 1, 1).expand(1, 2, 9, 11)
    torch.testing.assert_close(warp(b, flow)[..., :6, :9], a[..., :6, :9], atol=1e-5, rtol=1e-5)


def test_warp_repeats_the_border():
    a = torch.arange(12.0).reshape(1, 1, 3, 4)
    far = torch.full((1, 2, 3, 4), 100.0)
    assert (warp(a, far) == 11).all()


def test_gradients_of_the_operators():
    a = torch.randn(1, 2, 4, 5, dtype=torch.float64, requires_grad=True)
    b = torch.randn(1, 2, 4, 5, dtype=torch.float64, requires_grad=True)
    flow = (torch.rand(1, 2, 4, 5, dtype=torch.float64) * 0.8 + 0.1).requires_grad_()
    assert torch.autograd.gradcheck(lambda x, y: correlate_patches(x, y, 1), (a, b))
    assert torch.autograd.gradcheck(warp, (a, flow))


@pytest.mark.process
@pytest.mark.parametrize(('frames', 'reduced'), PUBLIC_FLOW)
def test_every_weight_learns(frames, reduced):
    model = PWCLite(frames, reduced)
    model(
        torch.rand(1, 3, 64, 64), torch.rand(1, 3, 64, 64), torch.rand(1, 3, 64, 64)
    ).abs().mean().backward()
    assert [
        name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0
    ] == []


def test_batch_gives_the_same_as_one_by_one():
    model = with_formula_weights(PWCLite()).double()
    images = torch.cat([wave_image(t) for t in range(3)]).double()
    with torch.no_grad():
        both = model(images[:2], images[1:])
        torch.testing.assert_close(both[1:], model(images[1:2], images[2:]))


def test_other_numbers_of_frames_are_refused():
    with pytest.raises(ValueError, match='2 or 3 frames, got 4'):
        PWCLite(frames=4)


def test_three_frame_network_asks_for_the_frame_before():
    with pytest.raises(ValueError, match='the image before'):
        PWCLite(frames=3)(torch.rand(1, 3, 64, 64), torch.rand(1, 3, 64, 64))
