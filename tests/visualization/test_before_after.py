"""The sheet of two trackers: one block for each object, boxes where they were said to be."""

from __future__ import annotations

import numpy as np
import pytest

from usot_plugin.visualization.before_after import HEAD_PX, TILE_PX, Shown, before_after_sheet


def shown(frames: int, size_wh=(640, 480)) -> Shown:
    images = [np.zeros((size_wh[1], size_wh[0], 3), np.uint8)] * frames
    boxes = np.tile([200.0, 200, 400, 400], (frames, 1))
    gone = np.full((frames, 4), np.nan)
    rows = [('before', boxes), ('after', gone)]
    return Shown('a clip', images, list(range(frames)), gone, rows)


def test_a_row_for_each_tracker_and_a_block_for_each_object():
    sheet = before_after_sheet([shown(3), shown(1, (320, 320))])
    assert sheet.shape == (HEAD_PX + 2 * 240 + HEAD_PX + 2 * 320, 3 * TILE_PX, 3)
    # The box of the first tracker, halved with the picture; none for a lost target.
    drawn = sheet[HEAD_PX + 150, :TILE_PX].any(-1).nonzero()[0]
    assert {100, 199} <= set(drawn.tolist()) and not {90, 150, 210} & set(drawn.tolist())
    assert not sheet[HEAD_PX + 240 + 150, :TILE_PX].any()


def test_nothing_to_show():
    with pytest.raises(ValueError, match='no object'):
        before_after_sheet([])
