"""A clip whose image files are known beforehand: a part of a folder, and nothing is read before a
frame is."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from .clip import ClipError, FolderClip, fingerprint_of, images_of


class FrameFilesClip(FolderClip):
    """Images of a folder, by name and in order.

    Opening lists no folder and decodes no frame; the size is that of the first frame, decoded when
    somebody asks.

    Args:
        path: The folder.
        file_names: Names of its files that are the frames.
        name: Name of the clip; the folder's by default.
        fps: Frames per second, where the user knows.

    Raises:
        ClipError: No file is given.
    """

    def __init__(
        self, path: str | Path, file_names: Sequence[str], name: str | None = None, fps: float = 0.0
    ) -> None:
        self.path = Path(path)
        self.name = name or self.path.name
        self.fps = fps
        self.file_names = tuple(file_names)
        if not self.file_names:
            raise ClipError(self.path, 'no image in this folder')
        self.frame_count = len(self.file_names)

    @cached_property
    def files(self) -> list[Path]:  # type: ignore[override]
        return [self.path / name for name in self.file_names]

    @cached_property
    def size_wh(self) -> tuple[int, int]:  # type: ignore[override]
        first = self._decode(0, gray=False)
        return first.shape[1], first.shape[0]

    def positions_in_folder(self) -> tuple[np.ndarray, int]:
        """Where the frames are among all images of the folder.

        Returns:
            ``(T,)`` int positions in natural order, as a reader of the whole folder counts, and the
            number of its images.

        Raises:
            OSError: The folder cannot be read.
        """
        position = {file.name: index for index, file in enumerate(images_of(self.path))}
        return np.array([position[name] for name in self.file_names]), len(position)

    def fingerprint(self) -> str:
        frames = f'{self.file_names[0]}:{self.frame_count}'
        # Parts of one folder differ.
        content = fingerprint_of(self.path).encode() + b';' + os.fsencode(frames)
        return hashlib.sha1(content, usedforsecurity=False).hexdigest()
