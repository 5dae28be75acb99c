"""Windows of masks and stages against slow loops, and that masks of cells do not depend on which
cells are asked for."""

from __future__ import annotations

import torch

from tests.models.siamrpn_parts import REFINED, batch, build
from usot_plugin.models.heads.mask_head import cut_windows, mask_windows


def test_windows_equal_a_slow_loop():
    maps = torch.rand(2, 3, 9, 9)
    images, rows, columns = (
        torch.tensor([0, 1, 1]),
        torch.tensor([0, 3, 2]),
        torch.tensor([1, 3, 0]),
    )
    windows = cut_windows(maps, images, rows, columns, side=5, step=2, margin=3)
    for p, (image, row, column) in enumerate(
        zip(images.tolist(), rows.tolist(), columns.tolist(), strict=True)
    ):
        for y in range(5):
            for x in range(5):
                at_y, at_x = 2 * row + y - 3, 2 * column + x - 3
                inside = 0 <= at_y < 9 and 0 <= at_x < 9
                expected = maps[image, :, at_y, at_x] if inside else torch.zeros(3)
                assert torch.equal(windows[p, :, y, x], expected)


def test_the_middle_cell_sees_the_middle_of_the_crop():
    masks = torch.zeros(1, 255, 255)
    masks[0, 64:191, 64:191] = 1  # 127 px around the middle
    zero, twelve = torch.tensor([0]), torch.tensor([12])
    assert mask_windows(masks, zero, twelve, twelve).all()
    shifted = mask_windows(masks, zero, twelve, torch.tensor([13]))[0]
    assert shifted[:, :119].all() and not shifted[:, 119:].any()


def test_corner_cells_see_beyond_the_crop():
    masks = torch.ones(1, 255, 255)
    window = mask_windows(masks, torch.tensor([0]), torch.tensor([0]), torch.tensor([24]))[0]
    assert not window[:32].any() and not window[:, 95:].any() and window[32:, :95].all()


def test_masks_of_cells_are_those_of_the_whole_map():
    model = build(**REFINED).eval()
    inputs = batch(2)
    with torch.no_grad():
        template, search = (
            model.encode_template(inputs['template']),
            model.extract(inputs['search']),
        )
        images, rows, columns = (
            torch.tensor(values) for values in ([1, 0, 1], [3, 24, 0], [7, 0, 24])
        )
        coarse, fine = model.masks(template, search, images, rows, columns)
        whole = model.mask_head.branch(template.mask, search.levels[-1])
        one = model.masks(template, search, images[:1], rows[:1], columns[:1])
    assert coarse.shape == (3, 63, 63) and fine.shape == (3, 127, 127)
    for p in range(3):
        expected = whole[images[p], :, rows[p], columns[p]].reshape(63, 63)
        torch.testing.assert_close(coarse[p], expected, rtol=1e-4, atol=1e-4)
    for single, several in zip(one, (coarse, fine), strict=True):
        torch.testing.assert_close(single[0], several[0], rtol=1e-4, atol=1e-4)
