"""A few frames of a video of unknown length side by side in one picture."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from usot_plugin.utils.atomic import write_bytes

COLUMNS = 4
#: Wider frames are shrunk to this many pixels.
TILE_WIDTH_PX = 280
#: As many times the wanted frames are kept at least; the spacing is then even to an eighth.
KEPT_FACTOR = 8
JPEG_QUALITY = 90


class ContactSheet:
    """Evenly spaced frames of a video, the first and the last among them.

    Frames come one by one and their number need not be known: more than are wanted are kept, small,
    and when they become too many every other one is let go.

    Args:
        frames: Number of frames on the sheet; a shorter video has all of its own.
    """

    def __init__(self, frames: int) -> None:
        self.frames = frames
        self._tiles: list[np.ndarray] = []
        self._last: np.ndarray | None = None
        self._stride, self._seen = 1, 0

    def add(self, image: np.ndarray) -> None:
        """Take the next frame, ``(H, W, 3)`` uint8 BGR, all of one size."""
        self._last = _shrink(image)
        if self._seen % self._stride == 0:
            self._tiles.append(self._last)
        self._seen += 1
        if len(self._tiles) > 2 * KEPT_FACTOR * self.frames:
            self._tiles = self._tiles[::2]
            self._stride *= 2

    def draw(self) -> np.ndarray:
        """The sheet, ``(h, w, 3)`` uint8 BGR, rows of :data:`COLUMNS` frames.

        Raises:
            ValueError: No frame was added.
        """
        if self._last is None:
            raise ValueError('a contact sheet without a frame')
        kept = self._tiles if self._tiles[-1] is self._last else [*self._tiles, self._last]
        picks = np.round(np.linspace(0, len(kept) - 1, min(self.frames, len(kept)))).astype(int)
        height, width = self._last.shape[:2]
        columns = min(COLUMNS, len(picks))
        sheet = np.full((-(-len(picks) // columns) * height, columns * width, 3), 255, np.uint8)
        for place, pick in enumerate(picks):
            top, left = place // columns * height, place % columns * width
            sheet[top : top + height, left : left + width] = kept[pick]
        return sheet

    def write(self, path: str | Path) -> None:
        """Write the sheet whole or not at all; the suffix says in which format.

        Raises:
            ValueError: There is no such format, or no frame was added.
            OSError: It cannot be written.
        """
        write_bytes(
            path,
            cv2.imencode(
                check_image_suffix(path), self.draw(), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
            )[1].tobytes(),
        )


def check_image_suffix(path: str | Path) -> str:
    """The suffix of an image file that can be written.

    Raises:
        ValueError: It is of no format that is known here.
    """
    suffix = Path(path).suffix.lower()
    if not suffix or not cv2.haveImageWriter(f'x{suffix}'):
        raise ValueError(f'{path}: no image format that can be written; call it .jpg or .png')
    return suffix


def _shrink(image: np.ndarray) -> np.ndarray:
    height, width = image.shape[:2]
    if width <= TILE_WIDTH_PX:
        return image.copy()
    size = (TILE_WIDTH_PX, max(1, round(height * TILE_WIDTH_PX / width)))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)
