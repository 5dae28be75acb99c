"""Pictures of mined pairs: one tile a patch, the box where it belongs, a card that says why the
chain ended."""

from __future__ import annotations

import cv2
import numpy as np

from usot_plugin.datasets.samplers.mined_pairs import MinedChain
from usot_plugin.structures.clip import ArrayClip
from usot_plugin.visualization.pair_gallery import (
    CAPTION_PX,
    COLUMNS,
    GAP_PX,
    INSTANCE_BGR,
    TILE_PX,
    chain_card,
    draw_chain,
    draw_patch,
)


def chain(count: int) -> MinedChain:
    boxes = np.repeat([[40.0, 30.0, 60.0, 50.0]], count + 1, 0)
    return MinedChain(
        np.arange(count + 1) * 2, boxes, np.full(count, 0.75), np.full(count, 2.0), 'no way back'
    )


def test_a_patch_shows_its_surroundings_and_its_box():
    frame = np.full((90, 120, 3), 90, np.uint8)
    tile = draw_patch(frame, np.array([40.0, 30.0, 60.0, 50.0]), '7: 0.75', INSTANCE_BGR)
    assert tile.shape == (TILE_PX + CAPTION_PX, TILE_PX, 3)
    rows, columns = np.nonzero((tile[:TILE_PX] == INSTANCE_BGR).all(-1))
    # A box of 20 px with context 40 px wide, shown 1.4 times as wide: 132 / 56 pixels a pixel, in
    # the middle.
    assert (
        abs(np.ptp(columns) - 20 * TILE_PX / 56) <= 4
        and abs((columns.min() + columns.max()) / 2 - TILE_PX / 2) <= 4
    )
    assert (tile[TILE_PX:] != 255).any()


def test_every_pair_has_a_tile():
    clip = ArrayClip(np.random.default_rng(0).integers(0, 256, (25, 90, 120, 3), np.uint8))
    height, width = TILE_PX + CAPTION_PX + GAP_PX, TILE_PX + GAP_PX
    sheet = draw_chain(clip, chain(9))
    assert sheet.shape == (2 * height, COLUMNS * width, 3)
    assert (sheet[height:, 2 * width : 3 * width] == 255).all() and (
        sheet[height:, width : 2 * width] != 255
    ).any()
    assert draw_chain(clip, chain(0)).shape[0] == height


def test_a_card_says_what_was_found():
    clip = ArrayClip(np.zeros((25, 90, 120, 3), np.uint8))
    card = chain_card('dog.mp4', clip, chain(9))
    assert card.name == 'dog.mp4, frame 0' and card.status == 'no way back' and card.quality == 0.75
    assert card.facts[0] == '9 pairs' and 'at most 2.0 px' in card.facts[-1]
    assert cv2.imdecode(np.frombuffer(card.jpeg, np.uint8), cv2.IMREAD_COLOR) is not None
    assert chain_card('dog.mp4', clip, chain(0)).quality == -1
