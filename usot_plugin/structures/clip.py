"""Frames of a video file or of a folder of images, by exact index.

Every decoding problem becomes a :class:`ClipError` that names the file, the frame and the cause. Video is decoded with PyAV: a frame index
is the rank of the frame's presentation time, so that variable frame rates and B-frames need no special case.
"""

from __future__ import annotations

import hashlib
import os
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import av
import cv2
import numpy as np
from av.video.reformatter import ColorRange, VideoReformatter

IMAGE_SUFFIXES = frozenset({'.jpg', '.jpeg', '.png', '.bmp', '.tif', '.tiff', '.webp'})
VIDEO_SUFFIXES = frozenset({'.mp4', '.avi', '.mkv', '.mov', '.webm', '.m4v', '.mpg', '.mpeg', '.wmv', '.flv', '.ts', '.gif'})

#: A reader that is at most this far ahead of the decoder decodes on instead of seeking.
STEP_FORWARD_FRAMES = 64

#: The fingerprint reads this much from the start of a file; with the size it tells re-encoded copies apart.
FINGERPRINT_BYTES = 1 << 20

#: Pixel formats whose first plane is luminance in bytes.
LUMA_FIRST_FORMATS = frozenset(
    {'yuv420p', 'yuv422p', 'yuv444p', 'yuv440p', 'yuv411p', 'yuvj420p', 'yuvj422p', 'yuvj444p', 'yuvj440p', 'nv12', 'nv21', 'gray'}
)

#: Video keeps luminance in 16..235 unless it says otherwise.
STUDIO_TO_FULL_RANGE = np.clip((np.arange(256) - 16.0) * (255 / 219) + 0.5, 0, 255).astype(np.uint8)


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
    """Sort key that puts ``frame_9`` before ``frame_10``; only decimal digits count, of any script and in any number."""
    return [Decimal(part) if part.isdecimal() else part.lower() for part in re.split(r'(\d+)', text)]


def resize_within(frame: np.ndarray, size_wh: tuple[int, int] | None) -> np.ndarray:
    """The frame at ``size_wh`` by area averaging, or itself when no size is asked for."""
    if size_wh is None or (frame.shape[1], frame.shape[0]) == size_wh:
        return frame
    return cv2.resize(frame, size_wh, interpolation=cv2.INTER_AREA)


def fingerprint_of(path: str | Path) -> str:
    """A short hash of a clip's bytes that needs no decoder, so that it also exists for files that cannot be decoded.

    A file gives its size and its first MiB, a folder the names and sizes of its images and the start of the first.

    Raises:
        ClipError: The bytes cannot be read.
    """
    path = Path(path)
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
        raise ClipError(path, f'cannot be read ({_reason(error)})') from error
    return digest.hexdigest()


def images_of(folder: Path) -> list[Path]:
    """The images of a folder in natural order."""
    names = [p for p in folder.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES and not p.name.startswith('.')]
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
    try:
        data = np.fromfile(file, np.uint8)  # cv2.imread loses the reason and non-ASCII paths on Windows
    except OSError as error:
        raise ClipError(file, f'cannot be opened ({error.strerror})', index) from error
    flag = cv2.IMREAD_GRAYSCALE if gray else cv2.IMREAD_COLOR
    frame = cv2.imdecode(data, flag) if data.size else None
    if frame is None:
        raise ClipError(file, 'not an image that OpenCV can decode', index)
    return frame


def _luminance(frame: av.VideoFrame, size_wh: tuple[int, int]) -> np.ndarray:
    """The 8-bit luma plane at a size, ``(H, W)`` uint8 over the full range 0..255; no colour is converted on the way."""
    plane = frame.planes[0]
    luma = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[: frame.height, : frame.width]
    full_range = frame.format.name.startswith(('yuvj', 'gray')) or frame.color_range == ColorRange.JPEG
    luma = resize_within(luma, size_wh)
    return luma.copy() if full_range else cv2.LUT(luma, STUDIO_TO_FULL_RANGE)


class Clip(ABC):
    """A sequence of equally large BGR frames.

    Attributes:
        path: File or folder it comes from.
        name: Its stem, or the folder's name.
        frame_count: Number of frames.
        size_wh: Width and height in pixels, rotation metadata applied.
        fps: Frames per second; 0 where the source does not say.
    """

    path: Path
    name: str
    frame_count: int
    size_wh: tuple[int, int]
    fps: float = 0.0

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
        self, start: int = 0, stop: int | None = None, size_wh: tuple[int, int] | None = None, gray: bool = False
    ) -> Iterator[tuple[int, np.ndarray]]:
        """Frames ``start <= index < stop`` in order, decoded once each.

        Args:
            start: First index.
            stop: End, exclusive; the clip's end by default.
            size_wh: Resize to this; for video the decoder's scaler does it, which is cheaper than a resize later.
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
                f'size {frame.shape[1]}x{frame.shape[0]} differs from the first frame {self.size_wh[0]}x{self.size_wh[1]}',
                index,
            )
        return frame

    def read(self, index: int) -> np.ndarray:
        self._check_index(index)
        return self._checked(index, gray=False)

    def iter_frames(self, start=0, stop=None, size_wh=None, gray=False):
        for index in range(start, self.frame_count if stop is None else min(stop, self.frame_count)):
            yield index, resize_within(self._checked(index, gray), size_wh)

    def fingerprint(self) -> str:
        return fingerprint_of(self.path)


class VideoClip(Clip):
    """A video file, decoded with PyAV.

    Opening demuxes the packets (no decoding) to learn the presentation times and the key frames; a random read seeks to the key frame
    before it and decodes forward. One decoder is kept open, so reading forward in small steps costs no seek.

    Args:
        path: The file.
        threads: Decoder threads; 1 where many processes work side by side.

    Raises:
        ClipError: Not a video, no video stream, no frame, or not readable.
    """

    def __init__(self, path: str | Path, threads: int = 1) -> None:
        self.path = Path(path)
        self.name = self.path.stem
        self._threads = threads
        self._container: av.container.InputContainer | None = None
        self._decoder: Iterator[av.VideoFrame] | None = None
        self._scaler: VideoReformatter | None = None
        self._next_index = 0
        self._landing = False
        try:
            with av.open(str(self.path)) as container:
                if not container.streams.video:
                    raise ClipError(self.path, 'no video stream')
                stream = container.streams.video[0]
                self._scan(container, stream)
                rate = stream.average_rate or stream.guessed_rate
                self.fps = float(rate) if rate else 0.0
        except (av.error.FFmpegError, OSError) as error:
            raise ClipError(self.path, f'not a readable video ({_reason(error)})') from error
        if not self.frame_count:
            raise ClipError(self.path, 'no frame in the video')
        first = self.read(0)
        self.size_wh = (first.shape[1], first.shape[0])

    def _scan(self, container: av.container.InputContainer, stream: av.video.stream.VideoStream) -> None:
        """Learn presentation times and key frames from the packets."""
        times: list[int | None] = []
        keys: list[int] = []
        for packet in container.demux(stream):
            if packet.size == 0 or packet.is_discard:
                continue
            time = packet.pts if packet.pts is not None else packet.dts
            times.append(time)
            if packet.is_keyframe and time is not None:
                keys.append(time)
        # AVI keeps no presentation times: with reordered frames (H.264) the clock of a packet says nothing about the rank of its frame.
        no_clock = None in times or (container.format.name == 'avi' and stream.codec_context.name in ('h264', 'hevc'))
        # Without a clock the rank in decoding order is all there is: reading forward is exact, reading backward starts over.
        self._times: np.ndarray | None = None if no_clock else np.unique(np.asarray(times, np.int64))
        self._keys = np.asarray([] if no_clock else sorted(keys), np.int64)
        self.frame_count = len(times) if self._times is None else len(self._times)

    def _restart(self, index: int, keys_back: int = 0) -> None:
        """Open the decoder so that its next frame is at or before ``index``, ``keys_back`` key frames earlier than needed."""
        if self._container is not None:
            self._container.close()
        self._container = av.open(str(self.path))
        stream = self._container.streams.video[0]
        stream.thread_type = 'AUTO' if self._threads != 1 else 'SLICE'
        stream.codec_context.thread_count = self._threads
        self._next_index = 0
        if self._times is not None and index > 0:
            before = self._keys[self._keys <= self._times[index]]
            before = before[: len(before) - keys_back] if keys_back < len(before) else before[:0]
            if len(before) and before[-1] > self._times[0]:
                self._container.seek(int(before[-1]), stream=stream, backward=True)
                self._next_index = int(np.searchsorted(self._times, before[-1]))
        self._landing = self._next_index > 0
        self._decoder = self._container.decode(stream)

    def _next_frame(self, wanted: int) -> tuple[int, av.VideoFrame | None]:
        """The next frame of the open decoder with its index; no frame where a seek landed behind the last."""
        assert self._decoder is not None
        try:
            frame = next(self._decoder)
        except StopIteration:
            if self._landing:
                return self.frame_count, None
            self._decoder = None
            raise ClipError(self.path, f'truncated: the decoder ended, {self.frame_count} frames were announced', wanted) from None
        except (av.error.FFmpegError, OSError) as error:
            self._decoder = None
            raise ClipError(self.path, f'cannot be decoded ({_reason(error)})', wanted) from error
        if self._times is None or frame.pts is None:
            return self._next_index, frame
        return int(np.searchsorted(self._times, frame.pts)), frame

    def _frames(self, start: int, stop: int) -> Iterator[tuple[int, av.VideoFrame]]:
        """Decoded frames ``start <= index < stop``; keeps the decoder for the next call."""
        wanted, keys_back = start, 0
        near = start - STEP_FORWARD_FRAMES <= self._next_index <= start
        expected = self._next_index if near else None
        while wanted < stop:
            if self._decoder is None or self._next_index != expected:
                self._restart(wanted)  # a jump, or another reader moved the decoder between two frames of this one
            index, frame = self._next_frame(wanted)
            if index > wanted and self._landing:
                # Some containers (MPEG-TS) seek by decoding time and land behind the frame: go further back, in the end to the start.
                keys_back = 2 * keys_back + 1
                self._restart(wanted, keys_back)
                expected = self._next_index
                continue
            if index > wanted:
                self._decoder = None
                raise ClipError(self.path, 'the decoder skipped this frame', wanted)
            self._landing = False
            self._next_index = expected = index + 1
            if index == wanted and frame is not None:
                yield index, frame
                wanted += 1

    def _to_array(self, frame: av.VideoFrame, size_wh: tuple[int, int] | None, gray: bool) -> np.ndarray:
        turns = round((frame.rotation or 0) / 90) % 4
        if size_wh is not None and turns % 2:
            size_wh = (size_wh[1], size_wh[0])
        width, height = size_wh or (frame.width, frame.height)
        if gray and frame.format.name in LUMA_FIRST_FORMATS:
            array = _luminance(frame, (width, height))
        else:
            if self._scaler is None:
                self._scaler = VideoReformatter()  # a frame's own reformat() plans the conversion anew, 2 ms for each frame
            filter_name = 'AREA' if size_wh else 'BICUBIC'
            array = self._scaler.reformat(frame, width=width, height=height, format='bgr24', interpolation=filter_name).to_ndarray()
            if gray:
                array = cv2.cvtColor(array, cv2.COLOR_BGR2GRAY)
        return np.ascontiguousarray(np.rot90(array, turns)) if turns else array

    def read(self, index: int) -> np.ndarray:
        self._check_index(index)
        for _, frame in self._frames(index, index + 1):
            return self._to_array(frame, None, gray=False)
        raise ClipError(self.path, 'cannot be decoded', index)

    def iter_frames(self, start=0, stop=None, size_wh=None, gray=False):
        stop = self.frame_count if stop is None else min(stop, self.frame_count)
        for index, frame in self._frames(start, stop):
            yield index, self._to_array(frame, size_wh, gray)

    def fingerprint(self) -> str:
        return fingerprint_of(self.path)

    def __getstate__(self) -> dict:  # the decoder stays in its process
        state = self.__dict__.copy()
        state.update(_container=None, _decoder=None, _scaler=None, _next_index=0, _landing=False)
        return state


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
        return self.frames[index].copy()  # the caller's own array, and readers may draw on what they get

    def iter_frames(self, start=0, stop=None, size_wh=None, gray=False):
        for index in range(start, self.frame_count if stop is None else min(stop, self.frame_count)):
            frame = cv2.cvtColor(self.frames[index], cv2.COLOR_BGR2GRAY) if gray else self.frames[index].copy()
            yield index, resize_within(frame, size_wh)

    def fingerprint(self) -> str:
        return hashlib.sha1(np.ascontiguousarray(self.frames).data, usedforsecurity=False).hexdigest()


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
    return VideoClip(path)


def _reason(error: Exception) -> str:
    return getattr(error, 'strerror', None) or str(error) or type(error).__name__
