"""Pictures of mined pairs: an instance beside every patch that was found for it."""

from __future__ import annotations

import cv2
import numpy as np

from ..datasets.samplers.mined_pairs import MinedChain
from ..structures.boxes import xyxy_to_cxcywh
from ..structures.clip import Clip
from ..structures.crops import boxes_to_crop, context_side, crop_region, mean_color, square_region
from .gallery import Card

TILE_PX = 132
COLUMNS = 8
CAPTION_PX = 18
GAP_PX = 4
INSTANCE_BGR, PATCH_BGR = (80, 170, 30), (40, 120, 235)
JPEG_QUALITY = 85
#: Colours of the reasons why chains end; the rest is grey.
END_COLORS = {
    'full length': '#178a50',
    'end of the clip': '#3b7dd8',
    'no way back': '#c26a00',
    'too little similarity': '#b3261e',
}
_FONT = cv2.FONT_HERSHEY_SIMPLEX


def draw_patch(
    frame: np.ndarray, box_xyxy: np.ndarray, caption: str, color: tuple[int, int, int]
) -> np.ndarray:
    """A patch with its surroundings, box, centre and caption, ``(TILE_PX + CAPTION_PX, TILE_PX,
    3)`` uint8."""
    centre_x, centre_y, width, height = xyxy_to_cxcywh(np.asarray(box_xyxy, np.float64))
    region = square_region((centre_x, centre_y), max(1.4 * context_side(width, height), 1))
    tile = crop_region(frame, region, (TILE_PX, TILE_PX), mean_color(frame))
    x1, y1, x2, y2 = (
        np.round(boxes_to_crop(box_xyxy, region, (TILE_PX, TILE_PX))).astype(int).tolist()
    )
    cv2.rectangle(tile, (x1, y1), (x2 - 1, y2 - 1), color, 2)
    cv2.drawMarker(
        tile, ((x1 + x2) // 2, (y1 + y2) // 2), color, cv2.MARKER_TILTED_CROSS, 9, 1, cv2.LINE_AA
    )
    plate = np.full((CAPTION_PX, TILE_PX, 3), 255, np.uint8)
    cv2.putText(plate, caption, (2, 13), _FONT, 0.4, (50, 40, 30), 1, cv2.LINE_AA)
    return np.concatenate([tile, plate])


def draw_chain(clip: Clip, chain: MinedChain) -> np.ndarray:
    """The instance (green) and all its patches (orange) in rows of eight, each with its frame,
    similarity and error of the way back.

    Raises:
        ClipError: A frame cannot be decoded.
    """
    captions = [f'{chain.frames[0]}: instance']
    captions += [
        f'{frame}: {similarity:.2f}  {error:.1f}px'
        for frame, similarity, error in zip(
            chain.frames[1:], chain.similarity, chain.forward_backward_px, strict=True
        )
    ]
    place = {int(frame): number for number, frame in enumerate(chain.frames)}
    tiles = [
        draw_patch(
            image,
            chain.boxes_xyxy[place[index]],
            captions[place[index]],
            PATCH_BGR if place[index] else INSTANCE_BGR,
        )
        for index, image in clip.iter_frames(int(chain.frames[0]), int(chain.frames[-1]) + 1)
        if index in place
    ]
    rows = -(-len(tiles) // COLUMNS)
    height, width = TILE_PX + CAPTION_PX + GAP_PX, TILE_PX + GAP_PX
    sheet = np.full((rows * height, COLUMNS * width, 3), 255, np.uint8)
    for number, tile in enumerate(tiles):
        top, left = number // COLUMNS * height, number % COLUMNS * width
        sheet[top : top + tile.shape[0], left : left + tile.shape[1]] = tile
    return sheet


def chain_card(name: str, clip: Clip, chain: MinedChain) -> Card:
    """The gallery's entry of one instance.

    Raises:
        ClipError: A frame cannot be decoded.
    """
    facts = [f'{len(chain)} pairs', f'ended by: {chain.end}']
    if len(chain):
        facts.append(
            f'similarity {chain.similarity.mean():.2f}, least {chain.similarity.min():.2f}'
        )
        facts.append(
            f'way back off by {np.median(chain.forward_backward_px):.1f} px, at most '
            f'{chain.forward_backward_px.max():.1f} px'
        )
    jpeg = cv2.imencode('.jpg', draw_chain(clip, chain), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[
        1
    ].tobytes()
    quality = float(chain.similarity.mean()) if len(chain) else -1.0
    return Card(
        f'{name}, frame {chain.frames[0]}',
        chain.end,
        quality,
        facts,
        jpeg,
        END_COLORS.get(chain.end, '#6b7280'),
    )
