"""Boxes beside their target."""

from __future__ import annotations

import numpy as np
import pytest

from usot_plugin.datasets.transforms import SiameseCrop, View, ViewBoxOffset

IMAGE = np.random.default_rng(9).integers(0, 256, (100, 120, 3), dtype=np.uint8)


def test_each_box_moves_within_its_range_and_the_crop_with_it():
    views = [View(IMAGE, np.array([40.0, 30, 60, 50]), index, np.zeros(3)) for index in range(40)]
    group = {'views': {'frames': views}, 'view_names': ('frames',), 'rng': np.random.default_rng(10)}
    moved = ViewBoxOffset(['frames'], offset_px=20).transform(group)
    shifts = np.array([view.box_xyxy - views[0].box_xyxy for view in moved['views']['frames']])
    assert np.abs(shifts).max() <= 20 and np.abs(shifts).max(0).min() > 15
    assert np.allclose(shifts[:, :2], shifts[:, 2:])
    cut = SiameseCrop(['frames'], size=60, window='scaled', scaled=3.0).transform(moved)['views']['frames']
    assert all(np.allclose((view.box_xyxy[:2] + view.box_xyxy[2:]) / 2, 30, atol=1) for view in cut)


def test_negative_offset_is_refused():
    with pytest.raises(ValueError, match='offset_px'):
        ViewBoxOffset(['frames'], offset_px=-1)
