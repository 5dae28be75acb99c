"""Where cells sit, labels and regression targets."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from usot_plugin.models.task_modules.grid import (
    CellGrid,
    class_labels,
    ltrb_to_boxes,
    regression_targets,
)

from .usot_parity import GOLDEN, golden, tensor

LEGACY = CellGrid(legacy_axis=True)


def test_golden_labels():
    data = golden('labels.npz')
    centres = 127 - tensor(data['shifts'])
    boxes = torch.cat([centres - 5, centres + 5], dim=1)
    assert np.array_equal(class_labels(boxes, 25, 255, LEGACY), data['labels'])


def test_golden_regression_targets():
    data = golden('labels.npz')
    ltrb, positive = regression_targets(tensor(data['boxes']), 25, LEGACY)
    assert np.array_equal(ltrb.permute(0, 2, 3, 1), data['reg'])
    assert np.array_equal(positive, data['reg_w'])


def test_golden_pooling_coordinates_of_training():
    data = golden('labels.npz')
    assert np.array_equal(
        LEGACY.search_box_to_cells(tensor(data['boxes']), 255), data['pool_search']
    )
    assert np.array_equal(
        LEGACY.template_box_to_cells(tensor(data['pool_template_in']), 127), data['pool_template']
    )


@pytest.mark.parametrize('case', json.loads((GOLDEN / 'pool_labels_tracker.json').read_text()))
def test_golden_pooling_coordinates_of_the_tracker(case):
    box = torch.tensor([case['box']], dtype=torch.float64)
    assert (
        LEGACY.search_box_to_cells(box, case['instance'], margin_cells=1)[0].tolist()
        == case['search']
    )
    assert LEGACY.template_box_to_cells(box / 2, 127)[0].tolist() == case['template']
    centres = LEGACY.centres(case['score_size'], box)
    assert (float(centres[0]), float(centres[-1])) == (case['grid0'], case['grid_last'])


def test_correct_axis_is_three_cells_from_the_legacy_axis():
    box = torch.tensor([[100.0, 90.0, 150.0, 170.0]])
    assert torch.equal(
        CellGrid().search_box_to_cells(box, 255) - LEGACY.search_box_to_cells(box, 255),
        torch.full((1, 4), 3.0),
    )


def test_distances_become_the_box_they_were_made_from():
    box = torch.tensor([[40.0, 50.0, 120.0, 130.0], [100.5, 90.25, 140.0, 200.0]])
    ltrb, _ = regression_targets(box, 25, CellGrid())
    assert torch.allclose(
        ltrb_to_boxes(ltrb, CellGrid()), box[:, :, None, None].expand(-1, -1, 25, 25)
    )


def test_nearest_rounding_is_at_most_half_a_cell_off():
    boxes = torch.tensor([[127 + 7.0 - 5, 122.0, 127 + 7.0 + 5, 132.0]])
    truncated = class_labels(boxes, 25, 255, CellGrid())
    nearest = class_labels(boxes, 25, 255, CellGrid(), rounding='nearest')
    assert truncated[0].nonzero().float().mean(0).tolist() == [12, 12]
    assert nearest[0].nonzero().float().mean(0).tolist() == [12, 13]


def test_unknown_rounding_is_refused():
    with pytest.raises(ValueError, match="'floor'"):
        class_labels(torch.zeros(1, 4), 25, 255, CellGrid(), rounding='floor')
