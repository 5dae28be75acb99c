"""UDT and DCFNet as models: trajectories, gradients, the golden loss curve, published outputs,
training through the tools."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from tests.models.udt_parts import (
    GOLDEN,
    LOSSES,
    formula_udt,
    loss_curve,
    training_boxes,
    training_crops,
)
from usot_plugin.models import UDT, DCFNet
from usot_plugin.models.layers.dcf import gaussian_label
from usot_plugin.tracking.siamese_geometry import hann_window
from usot_plugin.utils.checkpoint import extract_state_dict, load_checkpoint
from usot_plugin.utils.published_weights import convert_dcfnet


@pytest.mark.parametrize('name', list(LOSSES))
def test_five_steps_follow_the_golden_curve(name):
    expected = json.loads((GOLDEN / 'udt' / 'loss_curve.json').read_text(encoding='utf-8'))[name]
    assert loss_curve(name) == pytest.approx(expected, rel=1e-3)
    assert expected[-1] < expected[0]


def moved_features(model, shifts):
    """Features of one map and its cyclic copies: tracking them is exact."""
    torch.manual_seed(4)
    base = torch.randn(1, 1, 6, 37, 37)
    return torch.cat([base.roll(shift, (3, 4)) for shift in shifts], 1)


def test_forward_tracking_follows_cyclic_motion_to_the_last_frame():
    model = formula_udt(channels=4)
    shifts = [(0, 0), (3, -2), (5, -7)]
    features = moved_features(model, shifts)
    initial = model.labels(torch.zeros(1, 2), features, 41)
    label, motion = model.track_forward(features, initial, 41)
    expected = gaussian_label((37, 37), model.label_sigma(41), torch.tensor([[5.0, -7.0]]))
    torch.testing.assert_close(label, expected)
    # Eq. 9 by hand: each response is its label, moved.
    steps = [
        gaussian_label((37, 37), model.label_sigma(41), torch.tensor([shift], dtype=torch.float32))
        for shift in shifts
    ]
    by_hand = sum(float((b - a).square().sum()) for a, b in zip(steps[:-1], steps[1:], strict=True))
    assert motion.item() == pytest.approx(by_hand, rel=2e-2)


def test_two_frames_are_the_single_trajectory():
    model = formula_udt(
        channels=4, loss=dict(type='ConsistencyLoss', drop_share=0.0, weigh_motion=False)
    )
    crops = training_crops()[:1, [0, 2]]
    template, search = model.extract_frames(crops)[:, 0], model.extract_frames(crops)[:, 1]
    label = model.labels(torch.zeros(1, 2), template[:, None], 41)
    forward = model.filter(template, search, label)
    row, column = divmod(int(forward.argmax()), forward.shape[-1])
    back = model.filter(
        search, template, model.labels(torch.tensor([[row, column]]), template[:, None], 41)
    )
    assert model.loss({'frames': crops}, [])['loss_consistency'].item() == pytest.approx(
        (back - label).square().sum().item(), rel=1e-5
    )


def test_middle_frame_counts_only_through_its_pseudo_label():
    model = formula_udt(
        channels=4, loss=dict(type='ConsistencyLoss', drop_share=0.0, weigh_motion=False)
    )
    crops = training_crops().requires_grad_()
    model.loss({'frames': crops}, [])['loss_consistency'].backward()
    assert crops.grad[:, 0].abs().max() > 0 and crops.grad[:, 2].abs().max() > 0
    assert crops.grad[:, 1].abs().max() == 0


def test_supervised_labels_follow_the_boxes():
    model = formula_udt(channels=4, kind=DCFNet)
    crops = training_crops()[:1, :2]
    boxes = torch.tensor([[14.0, 14, 27, 27], [14.0, 14, 27, 27]]) + torch.tensor(
        [[0.0] * 4, [3.0, -2, 3, -2]]
    )
    loss = model.loss({'frames': crops}, [SimpleNamespace(frames_boxes_xyxy=boxes)])[
        'loss_response'
    ]
    features = model.extract_frames(crops)
    labels = [
        gaussian_label((37, 37), 41 / 30, torch.tensor([shift]))
        for shift in ([0.0, 0.0], [-2.0, 3.0])
    ]
    expected = (model.filter(features[:, 0], features[:, 1], labels[0]) - labels[1]).square().sum()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)


def test_boxes_of_the_curve_are_those_of_its_crops():
    first = torch.stack([sample.frames_boxes_xyxy[0] for sample in training_boxes()])
    torch.testing.assert_close(first, torch.tensor([[41 / 3, 41 / 3, 82 / 3, 82 / 3]] * 3))
    assert all(
        (sample.frames_boxes_xyxy[1:] - sample.frames_boxes_xyxy[0]).abs().max() > 1
        for sample in training_boxes()
    )


def test_identical_and_black_frames_give_finite_losses_and_gradients():
    for crops in (training_crops()[:, :1].repeat(1, 3, 1, 1, 1), torch.zeros(2, 3, 3, 41, 41)):
        model = formula_udt(channels=4).train()
        loss = model.loss({'frames': crops}, [])['loss_consistency']
        loss.backward()
        assert torch.isfinite(loss) and all(
            torch.isfinite(parameter.grad).all() for parameter in model.parameters()
        )


def test_label_sigma_of_the_paper_and_of_python_2():
    assert formula_udt(channels=1).label_sigma(125) == pytest.approx(4.1667, abs=1e-4)
    assert formula_udt(channels=1, legacy=True).label_sigma(125) == pytest.approx(4.1)


def test_unknown_train_cfg_is_refused():
    with pytest.raises(ValueError, match='cycle'):
        UDT(backbone=dict(type='DCFNetBackbone'), train_cfg=dict(cycle=1))


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ('file', 'name'), [('udt_checkpoint.pth.tar', 'udt'), ('dcfnet_param.pth', 'dcfnet_param')]
)
def test_published_network_and_filter(shared_dir, file, name):
    folder = shared_dir / 'golden' / 'udt'
    if not (folder / file).exists():
        pytest.skip('needs the published weights')
    data = np.load(folder / 'net_golden_crossing.npz')
    model = UDT(backbone=dict(type='DCFNetBackbone'), legacy=True, normalise=False)
    model.load_state_dict(convert_dcfnet(extract_state_dict(load_checkpoint(folder / file), file)))
    mean = torch.tensor([104.0, 117, 123]).view(3, 1, 1)
    window = torch.from_numpy(hann_window(125)).float()
    with torch.no_grad():
        template, search = (
            model.backbone(
                torch.from_numpy(data[key]).float().reshape(-1, 3, 125, 125) - mean, padding=1
            )
            for key in ('patch_z_u8', 'patch_x_u8')
        )
        np.testing.assert_allclose(
            template[:, ::4, ::8, ::8].numpy(), data[f'{name}_feat_sub'], atol=1e-3
        )
        label = gaussian_label((125, 125), model.label_sigma(125))
        np.testing.assert_allclose(label[0].numpy(), data['y'], atol=1e-6)
        filters = model.filter.learn(template * window, label)
        np.testing.assert_allclose(
            model.filter.respond(filters, search * window).numpy(),
            data[f'{name}_response'][:, 0],
            atol=1e-5,
        )
