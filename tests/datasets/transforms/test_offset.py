"""Boxes beside their target."""

from __future__ import annotations

import numpy as np
import pytest

from usot_plugin.datasets.transforms import GroupBoxPart, SiameseCrop, View, ViewBoxOffset

IMAGE = np.random.default_rng(9).integers(0, 256, (100, 120, 3), dtype=np.uint8)


def test_each_box_moves_within_its_range_and_the_crop_with_it():
    views = [View(IMAGE, np.array([40.0, 30, 60, 50]), index, np.zeros(3)) for index in range(40)]
    group = {
        'views': {'frames': views},
        'view_names': ('frames',),
        'rng': np.random.default_rng(10),
    }
    moved = ViewBoxOffset(['frames'], offset_px=20).transform(group)
    shifts = np.array([view.box_xyxy - views[0].box_xyxy for view in moved['views']['frames']])
    assert np.abs(shifts).max() <= 20 and np.abs(shifts).max(0).min() > 15
    assert np.allclose(shifts[:, :2], shifts[:, 2:])
    cut = SiameseCrop(['frames'], size=60, window='scaled', scaled=3.0).transform(moved)['views'][
        'frames'
    ]
    assert all(np.allclose((view.box_xyxy[:2] + view.box_xyxy[2:]) / 2, 30, atol=1) for view in cut)


def test_negative_offset_is_refused():
    with pytest.raises(ValueError, match='offset_px'):
        ViewBoxOffset(['frames'], offset_px=-1)


def test_all_images_of_a_group_get_the_same_part_of_their_box():
    boxes = np.array([[40.0, 30, 60, 70], [10, 10, 50, 90]])
    group = {
        'views': {
            'template': [View(IMAGE, boxes[0], 0, np.zeros(3))],
            'search': [View(IMAGE, boxes[1], 1, np.zeros(3))],
        },
        'view_names': ('template', 'search'),
    }
    parts = []
    for seed in range(60):
        views = GroupBoxPart(['template', 'search'], prob=0.5).transform(
            {**group, 'rng': np.random.default_rng(seed)}
        )['views']
        changed = np.stack([views['template'][0].box_xyxy, views['search'][0].box_xyxy])
        relative = (changed - boxes[:, [0, 1, 0, 1]]) / (
            boxes[:, [2, 3, 2, 3]] - boxes[:, [0, 1, 0, 1]]
        )
        np.testing.assert_allclose(relative[0], relative[1], atol=1e-12)
        parts.append(relative[0])
    whole = np.isclose(parts, [0, 0, 1, 1]).all(1)
    assert 15 < whole.sum() < 45
    sides = np.array(parts)[~whole][:, 2:] - np.array(parts)[~whole][:, :2]
    centres = (np.array(parts)[~whole][:, 2:] + np.array(parts)[~whole][:, :2]) / 2
    assert 0.4 <= sides.min() < 0.55 and 1 < sides.max() <= 1.25
    assert 0.2 < np.abs(centres - 0.5).max() <= 0.3


@pytest.mark.parametrize(
    'wrong', [dict(shift=-0.1), dict(scale=(0, 1)), dict(scale=(2, 1)), dict(prob=2)]
)
def test_impossible_parts_are_refused(wrong):
    with pytest.raises(ValueError, match='GroupBoxPart'):
        GroupBoxPart(['template'], **wrong)
