"""Write videos with PyAV: H.264 where the build has it, MPEG-4 otherwise; a file is there whole or
not at all."""

from __future__ import annotations

from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av
import cv2
import numpy as np

from usot_plugin.utils.atomic import whole_file, write_cause

#: Encoders in order of preference with their options; all write yuv420p, which every player shows.
ENCODERS: tuple[tuple[str, dict[str, str]], ...] = (
    ('libx264', {'crf': '20', 'preset': 'veryfast'}),
    ('libopenh264', {}),
    ('h264', {}),
    ('mpeg4', {'qscale': '3'}),
)
#: Used where a source does not know its rate.
DEFAULT_FPS = 25.0


class VideoWriteError(RuntimeError):
    """A video cannot be written.

    Args:
        path: The file.
        cause: What is wrong, in words.
    """

    def __init__(self, path: str | Path, cause: str) -> None:
        self.path, self.cause = Path(path), cause
        super().__init__(f'{path}: {cause}')


class VideoWriter:
    """Frames in, a video file out. Use as a context manager: when the block fails, no file is left.

    Args:
        path: The file; its suffix chooses the container (``.mp4``, ``.mkv``, ``.avi`` ...).
        fps: Frames per second; 0 or nan (unknown) gives :data:`DEFAULT_FPS`.
        encoder: Name of an encoder; the best available by default.

    Raises:
        VideoWriteError: The folder is not writable, the container is unknown, or a frame has
            another size than the first.
    """

    def __init__(
        self, path: str | Path, fps: float = DEFAULT_FPS, encoder: str | None = None
    ) -> None:
        self.path = Path(path)
        self.fps = fps if np.isfinite(fps) and fps > 0 else DEFAULT_FPS
        self.encoder = encoder or available_encoder()
        self.frame_count = 0
        self._size_wh: tuple[int, int] | None = None
        self._stack = ExitStack()
        self._container: av.container.OutputContainer | None = None
        self._stream: av.video.stream.VideoStream | None = None

    def __enter__(self) -> VideoWriter:
        try:
            temporary = self._stack.enter_context(whole_file(self.path))
            self._container = av.open(str(temporary), 'w')
        except (OSError, av.error.FFmpegError, ValueError) as error:
            self._stack.__exit__(type(error), error, error.__traceback__)
            raise VideoWriteError(
                self.path, f'cannot be written ({write_cause(error, self.path)})'
            ) from error
        return self

    def _open_stream(self, frame: np.ndarray) -> av.video.stream.VideoStream:
        assert self._container is not None
        height, width = frame.shape[:2]
        options = dict(next((o for name, o in ENCODERS if name == self.encoder), {}))
        rate = Fraction(self.fps).limit_denominator(1001)
        stream = self._container.add_stream(self.encoder, rate=rate, options=options)
        assert isinstance(stream, av.video.stream.VideoStream)
        stream.width, stream.height = width + width % 2, height + height % 2
        stream.pix_fmt = 'yuv420p'
        stream.codec_context.thread_count = 1
        return stream

    def write(self, frame: np.ndarray) -> None:
        """Append a frame ``(H, W, 3)`` uint8 BGR; odd sides are padded by one repeated pixel."""
        if self._container is None:
            raise RuntimeError('VideoWriter is a context manager: use it in a with block')
        size = (frame.shape[1], frame.shape[0])
        try:
            if self._stream is None:
                self._stream, self._size_wh = self._open_stream(frame), size
            elif size != self._size_wh:
                raise VideoWriteError(
                    self.path,
                    f'frame {self.frame_count} is {size[0]}x{size[1]}, the first is '
                    f'{self._size_wh}',
                )
            padded = (
                cv2.copyMakeBorder(frame, 0, size[1] % 2, 0, size[0] % 2, cv2.BORDER_REPLICATE)
                if size[0] % 2 or size[1] % 2
                else frame
            )
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(padded), format='bgr24')
            self._container.mux(self._stream.encode(picture))
        except (OSError, av.error.FFmpegError) as error:
            raise VideoWriteError(
                self.path, f'cannot be written ({write_cause(error, self.path)})'
            ) from error
        self.frame_count += 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        failure = error
        container, self._container = self._container, None
        try:
            if container is not None:
                if failure is None and self._stream is not None:
                    container.mux(self._stream.encode())
                container.close()
        except (OSError, av.error.FFmpegError, ValueError) as closing:
            failure = failure or VideoWriteError(
                self.path, f'cannot be written ({write_cause(closing, self.path)})'
            )
        if failure is None and self.frame_count == 0:
            failure = VideoWriteError(self.path, 'no frame to write')
        if failure is not None:
            self._stack.__exit__(type(failure), failure, failure.__traceback__)
            if failure is not error:
                raise failure
            return
        self._stack.close()


def available_encoder() -> str:
    """Name of the best encoder that this build of FFmpeg has.

    Raises:
        VideoWriteError: It has none of :data:`ENCODERS`.
    """
    for name, _ in ENCODERS:
        if name in av.codecs_available and _can_encode(name):
            return name
    raise VideoWriteError(
        'video',
        f'this build of FFmpeg has none of the encoders {", ".join(name for name, _ in ENCODERS)}',
    )


def _can_encode(name: str) -> bool:
    try:
        av.Codec(name, 'w')
    except (av.error.FFmpegError, ValueError):
        return False
    return True
