"""Frames of a video file or of a folder of images, by exact index.

Every decoding problem becomes a :class:`ClipError` that names the file, the frame and the cause.
The index of a frame is its place in a sequential pass, however it is read; video is in
:mod:`~usot_plugin.structures.video_clip`.
"""

from __future__ import annotations

import hashlib
import os
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import cv2
import numpy as np

from usot_plugin.utils.worker_pool import sign_of_life

from .video_index import reason_of

IMAGE_SUFFIXES = frozenset({'.jpg', '.jpeg', '.png', '.bmp', '.tif', '.tiff', '.webp'})
VIDEO_SUFFIXES = frozenset(
    {
        '.mp4',
        '.m4v',
        '.mov',
        '.qt',
        '.3gp',
        '.3g2',
        '.f4v',
        '.avi',
        '.divx',
        '.mkv',
        '.webm',
        '.wmv',
        '.asf',
        '.flv',
        '.rm',
        '.rmvb',
        '.ogv',
        '.mxf',
        '.nut',
        '.gif',
        '.mpg',
        '.mpeg',
        '.mpe',
        '.mpv',
        '.m1v',
        '.m2v',
        '.vob',
        '.mod',
        '.ts',
        '.mts',
        '.m2ts',
        '.m2t',
        '.tod',
        '.dv',
        '.insv',
        '.lrv',
        '.h264',
        '.264',
        '.hevc',
        '.h265',
        '.265',
        '.ivf',
        '.y4m',
        '.mjpg',
        '.mjpeg',
    }
)

#: The fingerprint reads this much from the start of a file; with the size it tells re-encoded
#: copies apart.
FINGERPRINT_BYTES = 1 << 20

#: A pipe may wait forever for somebody who writes into it.
NOT_A_FILE = 'neither file nor folder (a pipe or a device)'

#: Markers of a JPEG file.
JPEG_START, JPEG_END = b'\xff\xd8', b'\xff\xd9'


class ClipError(RuntimeError):
    """A clip, or one of its frames, cannot be read.

    Args:
        path: File or folder.
        cause: What is wrong, in words.
        frame: Index of the frame, where one is to blame.
    """

    def __init__(self, path: str | Path, cause: str, frame: int | None = None) -> None:
        self.path, self.cause, self.frame = Path(path), cause, frame
        where = f'{path}' if frame is None else f'{path}, frame {frame}'
        super().__init__(f'{where}: {cause}')

    def __reduce__(self):  # exceptions of worker processes are pickled
        return type(self), (self.path, self.cause, self.frame)


def natural_key(text: str) -> list:
    """Sort key that puts ``frame_9`` before ``frame_10``; only decimal digits count, of any script
    and in any number."""
    return [
        Decimal(part) if part.isdecimal() else part.lower() for part in re.split(r'(\d+)', text)
    ]


def resize_within(frame: np.ndarray, size_wh: tuple[int, int] | None) -> np.ndarray:
    """The frame at ``size_wh`` by area averaging, or itself when no size is asked for."""
    if size_wh is None or (frame.shape[1], frame.shape[0]) == size_wh:
        return frame
    return cv2.resize(frame, size_wh, interpolation=cv2.INTER_AREA)


def fingerprint_of(path: str | Path) -> str:
    """A short hash of a clip's bytes that needs no decoder, so that it also exists for files that
    cannot be decoded.

    A file gives its size and its first MiB, a folder the names and sizes of its images and the
    start of the first.

    Raises:
        ClipError: The bytes cannot be read.
    """
    path = Path(path)
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise ClipError(path, NOT_A_FILE)
    digest = hashlib.sha1(usedforsecurity=False)
    try:
        if path.is_dir():
            files = images_of(path)
            for file in files:
                digest.update(os.fsencode(file.name) + f':{file.stat().st_size};'.encode())
            head = files[:1]
        else:
            digest.update(f'{path.stat().st_size};'.encode())
            head = [path]
        for file in head:
            with file.open('rb') as stream:
                digest.update(stream.read(FINGERPRINT_BYTES))
    except OSError as error:
        raise ClipError(path, f'cannot be read ({reason_of(error)})') from error
    return digest.hexdigest()


def images_of(folder: Path) -> list[Path]:
    """The images of a folder in natural order."""
    names = [
        p
        for p in folder.iterdir()
        if p.suffix.lower() in IMAGE_SUFFIXES and not p.name.startswith('.')
    ]
    return sorted(names, key=lambda p: natural_key(p.name))


def read_image(file: Path, index: int | None = None, gray: bool = False) -> np.ndarray:
    """An image file as ``(H, W, 3)`` uint8 BGR, or ``(H, W)`` luminance.

    Args:
        file: The image.
        index: Frame that it is, for the message.
        gray: See above.

    Raises:
        ClipError: It cannot be opened or decoded.
    """
    sign_of_life()
    if file.exists() and not file.is_file():
        raise ClipError(file, NOT_A_FILE, index)
    try:
        data = np.fromfile(
            file, np.uint8
        )  # cv2.imread loses the reason and non-ASCII paths on Windows
    except OSError as error:
        raise ClipError(file, f'cannot be opened ({error.strerror})', index) from error
    flag = cv2.IMREAD_GRAYSCALE if gray else cv2.IMREAD_COLOR
    whole = data.size > 0 and not (
        data[:2].tobytes() == JPEG_START and JPEG_END not in data.tobytes()
    )
    frame = (
        cv2.imdecode(data, flag) if whole else None
    )  # OpenCV 4 fills what a JPEG lacks with grey and says nothing
    if frame is None:
        raise ClipError(file, 'not an image that OpenCV can decode', index)
    return frame


class Clip(ABC):
    """A sequence of equally large BGR frames.

    Attributes:
        path: File or folder it comes from.
        name: Its stem, or the folder's name.
        frame_count: Number of frames.
        size_wh: Width and height in pixels, rotation metadata applied.
        fps: Frames per second; 0 where the source does not say.
        notes: What is wrong with the source though it can be read; grows while frames are read.
    """

    path: Path
    name: str
    frame_count: int
    size_wh: tuple[int, int]
    fps: float = 0.0
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return self.frame_count

    @abstractmethod
    def read(self, index: int) -> np.ndarray:
        """Frame ``index`` as ``(H, W, 3)`` uint8 BGR.

        Raises:
            ClipError: The frame cannot be decoded.
            IndexError: ``index`` is outside ``[0, frame_count)``.
        """

    @abstractmethod
    def iter_frames(
        self,
        start: int = 0,
        stop: int | None = None,
        size_wh: tuple[int, int] | None = None,
        gray: bool = False,
    ) -> Iterator[tuple[int, np.ndarray]]:
        """Frames ``start <= index < stop`` in order, decoded once each.

        Args:
            start: First index.
            stop: End, exclusive; the clip's end by default.
            size_wh: Resize to this; for video the decoder's scaler does it, which is cheaper than a
                resize later.
            gray: Give ``(H, W)`` luminance instead of ``(H, W, 3)`` BGR.
        """

    @abstractmethod
    def fingerprint(self) -> str:
        """A short hash of the content that does not depend on the path."""

    def _check_index(self, index: int) -> None:
        if not 0 <= index < self.frame_count:
            raise IndexError(f'{self.path}: frame {index} is outside 0..{self.frame_count - 1}')


class FolderClip(Clip):
    """A folder of images in natural order of their names.

    Args:
        path: The folder.
        fps: Frames per second, where the user knows.

    Raises:
        ClipError: There is no image in it, or the first cannot be read.
    """

    def __init__(self, path: str | Path, fps: float = 0.0) -> None:
        self.path = Path(path)
        self.name = self.path.name
        self.fps = fps
        try:
            self.files = images_of(self.path)
        except OSError as error:
            raise ClipError(self.path, f'cannot list the folder ({error.strerror})') from error
        if not self.files:
            raise ClipError(self.path, 'no image in this folder')
        for one, other in zip(self.files, self.files[1:], strict=False):
            if natural_key(one.stem) == natural_key(other.stem):
                raise ClipError(
                    self.path,
                    f'{one.name} and {other.name} have the same number: frames and masks, or two '
                    'exports, in one folder',
                )
        self.frame_count = len(self.files)
        first = self._decode(0, gray=False)
        self.size_wh = (first.shape[1], first.shape[0])

    def _decode(self, index: int, gray: bool) -> np.ndarray:
        return read_image(self.files[index], index, gray)

    def _checked(self, index: int, gray: bool) -> np.ndarray:
        frame = self._decode(index, gray)
        if (frame.shape[1], frame.shape[0]) != self.size_wh:
            raise ClipError(
                self.files[index],
                f'size {frame.shape[1]}x{frame.shape[0]} differs from the first frame '
                f'{self.size_wh[0]}x{self.size_wh[1]}',
                index,
            )
        return frame

    def read(self, index: int) -> np.ndarray:
        self._check_index(index)
        return self._checked(index, gray=False)

    def iter_frames(self, start=0, stop=None, size_wh=None, gray=False):
        for index in range(
            start, self.frame_count if stop is None else min(stop, self.frame_count)
        ):
            yield index, resize_within(self._checked(index, gray), size_wh)

    def fingerprint(self) -> str:
        return fingerprint_of(self.path)


class ArrayClip(Clip):
    """Frames that are already in memory, for rendered clips and tests.

    Args:
        frames: ``(T, H, W, 3)`` uint8 BGR.
        name: Name of the clip.
    """

    def __init__(self, frames: np.ndarray, name: str = 'array', fps: float = 0.0) -> None:
        self.frames = frames
        self.path, self.name, self.fps = Path(name), name, fps
        self.frame_count = len(frames)
        self.size_wh = (frames.shape[2], frames.shape[1])

    def read(self, index: int) -> np.ndarray:
        self._check_index(index)
        return self.frames[
            index
        ].copy()  # the caller's own array, and readers may draw on what they get

    def iter_frames(self, start=0, stop=None, size_wh=None, gray=False):
        for index in range(
            start, self.frame_count if stop is None else min(stop, self.frame_count)
        ):
            frame = (
                cv2.cvtColor(self.frames[index], cv2.COLOR_BGR2GRAY)
                if gray
                else self.frames[index].copy()
            )
            yield index, resize_within(frame, size_wh)

    def fingerprint(self) -> str:
        return hashlib.sha1(
            np.ascontiguousarray(self.frames).data, usedforsecurity=False
        ).hexdigest()


def open_clip(path: str | Path) -> Clip:
    """A clip from a folder of images or a video file.

    Raises:
        ClipError: Nothing there, or nothing that can be read.
    """
    path = Path(path)
    if path.is_dir():
        return FolderClip(path)
    if not path.exists():
        raise ClipError(path, 'no such file or folder')
    if not path.is_file():
        raise ClipError(path, NOT_A_FILE)
    from .video_clip import VideoClip  # which imports this module

    return VideoClip(path)
