"""From a track and a frame index to an image: decoded frames, or crops from a store."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections import OrderedDict
from dataclasses import replace
from pathlib import Path

import numpy as np

from usot_plugin.structures.clip import Clip, ClipError
from usot_plugin.structures.crops import mean_color
from usot_plugin.structures.image_clip import open_clip_or_image

from ..track import Track
from ..transforms.view import View


class ClipPool:
    """A few open clips of this process, the least recently used closed first.

    A decoder must not be shared by processes, so a copy in another process (forked or unpickled)
    starts empty.

    Args:
        capacity: Most clips open at a time.
    """

    def __init__(self, capacity: int = 4) -> None:
        if capacity < 1:
            raise ValueError(f'ClipPool: capacity must be positive, got {capacity}')
        self.capacity = capacity
        self._clips: OrderedDict[str, Clip] = OrderedDict()
        self._pid = os.getpid()

    def get(self, path: str) -> Clip:
        """The open clip of a path.

        Raises:
            ClipError: It cannot be opened.
        """
        if self._pid != os.getpid():
            # The parent's decoders are put aside, not closed: closing one waits for its threads,
            # which do not exist in a forked process.
            self._inherited = self._clips
            self._clips = OrderedDict()
            self._pid = os.getpid()
        clip = self._clips.pop(path, None)
        if clip is None:
            clip = open_clip_or_image(path)
        self._clips[path] = clip
        if len(self._clips) > self.capacity:
            self._clips.popitem(last=False)
        return clip

    def __len__(self) -> int:
        return len(self._clips)

    def __getstate__(self) -> dict:
        return {'capacity': self.capacity}

    def __setstate__(self, state: dict) -> None:
        self.__init__(state['capacity'])  # type: ignore[misc]


class FrameReader(ABC):
    """Gives the images of a track."""

    @abstractmethod
    def complete(self, track: Track) -> Track:
        """The track with what only its images can say: length, frames that are there.

        Raises:
            ClipError: The images cannot be opened, or do not belong to the track.
        """

    @abstractmethod
    def frame(self, track: Track, index: int) -> np.ndarray:
        """Full frame ``(H, W, 3)`` uint8 BGR.

        Raises:
            ClipError: It cannot be read.
        """

    @abstractmethod
    def view(self, track: Track, index: int, box_xyxy: np.ndarray) -> View:
        """An image that shows the box ``(4,)`` of the full frame, and the box in it.

        Raises:
            ClipError: It cannot be read.
        """


class DecodedFrames(FrameReader):
    """Frames of the clip itself: a video file or a folder of images.

    Args:
        frame_root: Folders of extracted frames, ``<frame_root>/<clip>/``; a clip that is there is
            read from it instead of its video.
        max_open_clips: Decoders kept open in each process.
    """

    def __init__(self, frame_root: str | Path | None = None, max_open_clips: int = 4) -> None:
        self.frame_root = None if frame_root is None else Path(frame_root)
        if self.frame_root is not None and not self.frame_root.is_dir():
            raise ValueError(f'{self.frame_root}: no such folder of extracted frames')
        self._pool = ClipPool(max_open_clips)

    def clip(self, track: Track) -> Clip:
        """The open clip of a track.

        Raises:
            ClipError: It cannot be opened.
        """
        if self.frame_root is not None and (self.frame_root / track.clip).is_dir():
            return self._pool.get(str(self.frame_root / track.clip))
        return self._pool.get(track.path)

    def complete(self, track: Track) -> Track:
        clip = self.clip(track)
        if track.length == 0:
            return replace(track, length=clip.frame_count)
        if track.first_frame + track.length > clip.frame_count:
            raise ClipError(
                clip.path,
                f'has {clip.frame_count} frames, but its boxes reach frame '
                f'{track.first_frame + track.length - 1}: another version?',
            )
        return track

    def frame(self, track: Track, index: int) -> np.ndarray:
        return self.clip(track).read(index)

    def view(self, track: Track, index: int, box_xyxy: np.ndarray) -> View:
        image = self.frame(track, index)
        return View(image, np.asarray(box_xyxy, np.float64), index, mean_color(image))
