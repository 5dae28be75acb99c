"""Frames of clips, decoded once and kept in memory."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from ...structures.clip import ClipError, open_clip
from .video_sources import find_clips

#: Longer side that frames are kept with.
LONGER_PX = 400
#: Frames kept of each clip.
MAX_FRAMES = 96


class ClipBank:
    """Decoded frames of clips.

    Forked loader processes share the memory.

    Args:
        roots: Video files, folders of frames, or folders of those.
        longer_px: Frames are shrunk to this longer side.
        max_frames: Frames kept of each clip, from its middle; of longer clips every second one.

    Raises:
        ClipError: A clip cannot be read.
        VideoSourceError: There are no clips.
    """

    def __init__(
        self,
        roots: str | Path | Iterable[str | Path],
        longer_px: int = LONGER_PX,
        max_frames: int = MAX_FRAMES,
    ) -> None:
        paths = find_clips([roots] if isinstance(roots, (str, Path)) else roots)
        self.names = sorted(paths)
        self.frames = [self._read(paths[name], longer_px, max_frames) for name in self.names]
        self.fills = [tuple(frames[0].mean((0, 1))) for frames in self.frames]

    @staticmethod
    def _read(path: Path, longer_px: int, max_frames: int) -> np.ndarray:
        clip = open_clip(path)
        step = 2 if clip.frame_count >= 2 * max_frames else 1
        count = min(clip.frame_count, max_frames * step)
        first = (clip.frame_count - count) // 2
        scale = min(1.0, longer_px / max(clip.size_wh))
        width, height = (max(2, round(side * scale)) for side in clip.size_wh)
        frames = [
            image
            for i, image in clip.iter_frames(first, first + count, (width, height))
            if (i - first) % step == 0
        ]
        if not frames:
            raise ClipError(path, 'it has no frames')
        return np.stack(frames)

    def __len__(self) -> int:
        return len(self.names)
