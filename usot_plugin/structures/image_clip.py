"""A single image as a clip of one frame, so that whatever trains on video also trains on images."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import cv2
import numpy as np

from .clip import (
    IMAGE_SUFFIXES,
    Clip,
    ClipError,
    fingerprint_of,
    open_clip,
    read_image,
    resize_within,
)


class ImageClip(Clip):
    """One image file.

    Nothing is read before the frame is asked for: a folder may hold a million of them, of any size.

    Grey images become BGR, an alpha channel is dropped, 16 bits are cut to 8.

    Args:
        path: The file.

    Raises:
        ClipError: There is no such file.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.name = self.path.stem
        self.frame_count = 1
        if not self.path.is_file():
            raise ClipError(self.path, 'no such image')

    @cached_property
    def size_wh(self) -> tuple[int, int]:  # type: ignore[override]
        frame = read_image(self.path)
        return frame.shape[1], frame.shape[0]

    def read(self, index: int) -> np.ndarray:
        self._check_index(index)
        return read_image(self.path)

    def iter_frames(self, start=0, stop=None, size_wh=None, gray=False):
        for index in range(
            start, self.frame_count if stop is None else min(stop, self.frame_count)
        ):
            frame = self.read(index)
            yield (
                index,
                resize_within(cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY) if gray else frame, size_wh),
            )

    def fingerprint(self) -> str:
        return fingerprint_of(self.path)


def open_clip_or_image(path: str | Path) -> Clip:
    """:func:`open_clip`, and an :class:`ImageClip` for the path of an image.

    Raises:
        ClipError: Nothing there, or nothing that can be read.
    """
    return (
        ImageClip(path)
        if Path(path).suffix.lower() in IMAGE_SUFFIXES and not Path(path).is_dir()
        else open_clip(path)
    )
