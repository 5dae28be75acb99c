"""SiamFC: sizes, labels, response, and that a pair with nothing in it does no harm."""

from __future__ import annotations

import copy
import math

import pytest
import torch

from usot_plugin.models import S2SiamFC, SiamFC, SiamFCAlexNet
from usot_plugin.models.task_modules.response_labels import disc_labels, response_axis
from usot_plugin.structures.sot_sample import SOTSample

NARROW = dict(type='SiamFCAlexNet', width=1 / 16)


def samples(*boxes) -> list[SOTSample]:
    made = [SOTSample() for _ in boxes]
    for sample, box in zip(made, boxes, strict=True):
        sample.set_boxes('search_box_xyxy', box)
    return made


def batch(count: int = 2, search_px: int = 239) -> dict[str, torch.Tensor]:
    rng = torch.Generator().manual_seed(1)
    return {
        'template': 255 * torch.rand(count, 3, 127, 127, generator=rng),
        'search': 255 * torch.rand(count, 3, search_px, search_px, generator=rng),
    }


@pytest.mark.parametrize(('crop_px', 'cells'), [(127, 6), (239, 20), (255, 22), (87, 1)])
def test_feature_sizes_are_those_of_the_paper(crop_px, cells):
    backbone = SiamFCAlexNet(width=1 / 16).eval()
    assert backbone(torch.zeros(1, 3, crop_px, crop_px)).shape == (
        1,
        backbone.out_channels,
        cells,
        cells,
    )


def test_full_width_has_the_layers_of_the_paper():
    shapes = {
        name: tuple(value.shape)
        for name, value in SiamFCAlexNet().state_dict().items()
        if value.ndim == 4
    }
    assert shapes == {
        'conv1.0.weight': (96, 3, 11, 11),
        'conv2.0.weight': (256, 48, 5, 5),
        'conv3.0.weight': (384, 256, 3, 3),
        'conv4.0.weight': (384, 192, 3, 3),
        'conv5.0.weight': (256, 192, 3, 3),
    }


def test_widths_that_cannot_be_split_in_two_are_refused():
    with pytest.raises(ValueError, match='two groups need even numbers'):
        SiamFCAlexNet(width=1 / 100)


def test_a_feature_cell_looks_around_its_offset():
    # Dead ReLUs hide nothing here: all weights positive.
    backbone = SiamFCAlexNet(width=1 / 16).eval().double()
    for parameter in backbone.parameters():
        parameter.data.abs_()
    crop = torch.rand(1, 3, 127, 127, dtype=torch.float64, requires_grad=True)
    backbone(crop)[0, :, 2, 3].sum().backward()
    rows, columns = (crop.grad.abs().sum((0, 1)).sum(axis).nonzero().flatten() for axis in (1, 0))
    for seen, cell in ((rows, 2), (columns, 3)):
        centre = backbone.offset + backbone.stride * cell
        assert centre - 43 <= seen.min() and seen.max() <= centre + 43
        assert (seen.min() + seen.max()) / 2 == pytest.approx(
            centre, abs=6
        )  # max pooling picks single pixels


def test_response_cells_sit_where_the_template_fits():
    # Feature cell k of a crop looks at pixel 43 + 8 k, so its middle is at 43.5 + 8 k; six cells of
    # template have theirs 2.5 cells on.
    cells = 15
    expected = [43.5 + 8 * (i + 2.5) for i in range(cells)]
    assert response_axis(cells, 239, 8, torch.zeros(1)).tolist() == expected


def test_disc_labels_equal_a_slow_loop():
    boxes = torch.tensor([[100.0, 90, 160, 150], [10, 20, 30, 60], [math.nan] * 4])
    labels = disc_labels(boxes, 15, 239, 8, 16.0)
    for b, box in enumerate(boxes.tolist()):
        for row in range(15):
            for column in range(15):
                x, y = (119.5 + 8 * (at - 7) for at in (column, row))
                distance = math.hypot(x - (box[0] + box[2]) / 2, y - (box[1] + box[3]) / 2)
                assert labels[b, row, column] == float(distance <= 16)
    assert labels[2].sum() == 0


def test_a_centred_target_has_thirteen_positive_cells():
    # Radius of two cells, rim included: 5 in the row and the column, 3 + 3 on the diagonals' inner
    # ring.
    assert disc_labels(torch.tensor([[100.0, 100, 139, 139]]), 15, 239, 8, 16.0).sum() == 13


def test_response_equals_a_slow_loop():
    model = SiamFC(NARROW, response_scale=1e-3).eval()
    search, kernel = torch.rand(2, 5, 7, 8), torch.rand(2, 5, 3, 3)
    response = model.respond(search, kernel)
    assert response.shape == (2, 1, 5, 6)
    for b in range(2):
        for row in range(5):
            for column in range(6):
                expected = (
                    1e-3 * (search[b, :, row : row + 3, column : column + 3] * kernel[b]).sum()
                )
                assert response[b, 0, row, column].item() == pytest.approx(
                    expected.item(), rel=1e-4
                )


@pytest.mark.parametrize('cls', [SiamFC, S2SiamFC])
def test_training_response_is_15x15_and_every_weight_learns(cls):
    model = cls(NARROW)
    inputs, groups = batch(), samples([100, 100, 139, 139], [90, 90, 150, 150])
    assert model.raw_maps(inputs, groups).shape == (2, 1, 15, 15)
    losses = model(inputs, groups, mode='loss')
    sum(losses.values()).backward()
    # A bias in front of batch norm has no effect, so no gradient worth the name.
    assert all(parameter.grad is not None for parameter in model.parameters())
    assert all(
        parameter.grad.abs().sum() > 0
        for name, parameter in model.named_parameters()
        if name.endswith('weight')
    )


def test_a_pair_without_target_is_all_negative():
    model = SiamFC(NARROW)
    label = model.labels(
        samples([math.nan] * 4, [100, 100, 139, 139]), torch.zeros(2, 1, 15, 15), 239
    )
    assert label.sum((1, 2)).tolist() == [0, 13]


@pytest.mark.parametrize('loss', ['PairwiseBCELoss', 'AntiClutterLoss', 'BalancedBCELoss'])
@pytest.mark.parametrize('cls', [SiamFC, S2SiamFC])
def test_black_frames_give_finite_losses_and_gradients(cls, loss):
    model = cls(NARROW, loss=dict(type=loss))
    inputs = {name: torch.zeros_like(crops) for name, crops in batch().items()}
    total = sum(model(inputs, samples([100, 100, 139, 139], [math.nan] * 4), mode='loss').values())
    total.backward()
    assert torch.isfinite(total)
    assert all(
        torch.isfinite(parameter.grad).all()
        for parameter in model.parameters()
        if parameter.grad is not None
    )


def test_unknown_training_keys_are_refused():
    with pytest.raises(
        ValueError,
        match=r"train_cfg of SiamFC: \['label_radius'\]; known are \['label_radius_px'\]",
    ):
        SiamFC(NARROW, train_cfg=dict(label_radius=16))
    with pytest.raises(ValueError, match='S2SiamFC'):
        S2SiamFC(NARROW, train_cfg=dict(mask=2))


def test_weights_move_between_siamfc_and_s2siamfc():
    model = S2SiamFC(NARROW)
    SiamFC(NARROW).load_state_dict(model.state_dict(), strict=True)
    copy.deepcopy(model).load_state_dict(SiamFC(NARROW).state_dict(), strict=True)
