"""Masks that travel with a view: kept by crops and flips, given up by what would bend them, packed
in the pixels of the crop."""

from __future__ import annotations

import numpy as np
import pytest

from usot_plugin.datasets.transforms import PackSOTInputs, SiameseCrop, ViewFlip, ViewRotate
from usot_plugin.datasets.transforms.view import View
from usot_plugin.structures.box_masks import grid_from_mask

BOX = np.array([60.0, 40.0, 120.0, 100.0])


def view(masked: bool = True) -> View:
    """A white triangle on black, which is its own mask."""
    y, x = np.mgrid[:160, :200] + 0.5
    triangle = (x > BOX[0]) & (y < BOX[3]) & (x - BOX[0] < y - BOX[1])
    image = np.repeat(np.where(triangle, 255, 0).astype(np.uint8)[..., None], 3, 2)
    return View(image, BOX, 0, np.zeros(3), grid_from_mask(triangle, BOX) if masked else None)


def packed(*transforms, masked: bool = True):
    results = {
        'views': {'template': [view(masked)], 'search': [view(masked)]},
        'view_names': ('template', 'search'),
        'rng': np.random.default_rng(0),
        'clip': 'c',
        'object_id': 0,
    }
    for transform in (*transforms, PackSOTInputs(stacked=[], masks=['search'])):
        results = transform(results)
    return results


@pytest.mark.parametrize('axis', [None, 'horizontal', 'vertical'])
def test_the_mask_lies_on_the_object(axis):
    flips = [ViewFlip(['search'], prob=1, axis=axis)] if axis else []
    result = packed(SiameseCrop(['search'], 255, shift_px=64, scale=0.18), *flips)
    mask, seen = (
        result['data_samples'].search_mask.numpy(),
        result['inputs']['search'][0].numpy() > 127,
    )
    assert mask.shape == (255, 255)
    assert (mask & seen).sum() / (mask | seen).sum() > 0.93
    assert 'template_mask' not in result['data_samples']


def test_unknown_masks_are_left_out():
    assert 'search_mask' not in packed(masked=False)['data_samples']


def test_a_rotation_gives_the_mask_up():
    assert 'search_mask' not in packed(ViewRotate(['search'], degrees=10))['data_samples']


def test_a_target_at_the_border_has_the_visible_part_as_mask():
    cut = view()
    moved = cut.updated(cut.image, cut.box_xyxy + (-90, 0, -90, 0), np.ones((64, 64), bool))
    results = {'views': {'search': [moved]}, 'view_names': ('search',), 'clip': 'c', 'object_id': 0}
    mask = PackSOTInputs(single=['search'], stacked=[], masks=['search'])(results)[
        'data_samples'
    ].search_mask.numpy()
    rows, columns = np.nonzero(mask)
    assert (columns.min(), columns.max() + 1, rows.min(), rows.max() + 1) == (0, 30, 40, 100)


def test_masks_of_views_that_are_not_there_are_refused():
    with pytest.raises(KeyError, match='hops'):
        PackSOTInputs(masks=['hops'], stacked=[])(
            {'views': {}, 'view_names': ('template', 'search')}
        )
