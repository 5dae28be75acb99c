"""Frames from wherever they come: files and folders by exact index, cameras and network streams as
they arrive."""

from __future__ import annotations

import queue
import re
import shutil
import tempfile
import threading
import urllib.request
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from urllib.parse import urlsplit

import av
import numpy as np

from usot_plugin.structures.clip import Clip, ClipError, open_clip, resize_within
from usot_plugin.structures.video_index import main_stream, orientation_of, reason_of, upright
from usot_plugin.utils.atomic import NO_ROOM, write_cause

#: Schemes that are opened as a stream.
STREAM_SCHEMES = ('rtsp', 'rtsps', 'rtmp', 'http', 'https', 'udp', 'tcp', 'srt')
#: Schemes that send in real time: a tracker that is too slow drops frames instead of falling
#: behind.
REAL_TIME_SCHEMES = ('rtsp', 'rtsps', 'rtmp', 'udp', 'srt')
#: Seconds to wait for a connection, and for the next frame.
TIMEOUT_S = 15.0
#: Longest wait before a source is opened again.
LONGEST_WAIT_S = 10.0
#: Frames decoded ahead of a source that does not drop any.
READ_AHEAD = 4
#: Packets in a row that may fail to decode; streams are joined between key frames.
BAD_PACKETS = 200


class SourceError(RuntimeError):
    """A camera or stream cannot be opened or broke off.

    Args:
        name: Camera or URL.
        cause: What is wrong, in words.
    """

    def __init__(self, name: str, cause: str) -> None:
        self.name, self.cause = name, cause
        super().__init__(f'{name}: {cause}')


class FrameSource(ABC):
    """Numbered BGR frames, once, in order. Use as a context manager.

    Attributes:
        name: For output files.
        label: For messages: the path or URL.
        fps: Frames per second; 0 where unknown.
        live: The end is not known, and frames may be dropped.
        frame_count: Number of frames, where it is known beforehand.
        notes: What is wrong with the source though it can be read.
    """

    name: str
    label: str
    fps: float = 0.0
    live: bool = False
    frame_count: int | None = None
    notes: tuple[str, ...] = ()

    def close(self) -> None:  # noqa: B027  files have nothing to let go of
        """Let go of the camera or connection."""

    @abstractmethod
    def __iter__(self) -> Iterator[tuple[int, np.ndarray]]:
        """Frames with their index; an index that is left out was dropped."""

    def __enter__(self) -> FrameSource:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class ClipSource(FrameSource):
    """All frames of a clip."""

    def __init__(self, clip: Clip) -> None:
        self.clip = clip
        self.name, self.label, self.fps = clip.name, str(clip.path), clip.fps

    @property
    def notes(self) -> tuple[str, ...]:  # type: ignore[override]
        return self.clip.notes

    @property
    def frame_count(self) -> int:  # type: ignore[override]
        return self.clip.frame_count

    def __iter__(self) -> Iterator[tuple[int, np.ndarray]]:
        return self.clip.iter_frames()


class DownloadedSource(ClipSource):
    """A file behind an HTTP address whose server cannot send parts of it, kept in a temporary file
    while it is used.

    Args:
        url: Address.
        label: The address for messages.
        timeout_s: How long the server may be silent.

    Raises:
        SourceError: It cannot be fetched or is no video.
    """

    def __init__(self, url: str, label: str, timeout_s: float = TIMEOUT_S) -> None:
        self._folder = tempfile.TemporaryDirectory()
        file = Path(self._folder.name, Path(urlsplit(url).path).name or 'download')
        try:
            with (
                urllib.request.urlopen(url, timeout=timeout_s) as response,
                file.open('wb') as stream,
            ):
                shutil.copyfileobj(response, stream)
            super().__init__(open_clip(file))
        except OSError as error:
            self.close()
            full = error.errno in NO_ROOM
            cause = write_cause(error, file) if full else reason_of(error)
            raise SourceError(label, f'cannot be fetched ({cause})') from error
        except ClipError as error:
            self.close()
            raise SourceError(label, error.cause) from error
        self.label = label

    def close(self) -> None:
        self._folder.cleanup()


class _Connection:
    """One connection to a source: a thread that reads frames while the last one is being worked on.

    Args:
        name: Of the thread.
        frames: Gives the frames; runs in the thread.
        drop: Keep only the newest frame; otherwise the reader waits.
    """

    def __init__(self, name: str, frames: Callable[[], Iterator[np.ndarray]], drop: bool) -> None:
        self._frames, self._drop = frames, drop
        self._queue: queue.Queue = queue.Queue(1 if drop else READ_AHEAD)
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._read, name=f'read {name}', daemon=True)
        self.thread.start()

    def _read(self) -> None:
        end: BaseException | None = None
        try:
            for index, frame in enumerate(self._frames()):
                if self.stop.is_set():
                    return
                self._put((index, frame), self._drop)
        except Exception as error:  # any: the thread that takes the frames raises it
            end = error
        self._put(end, drop=False)

    def _put(self, item: object, drop: bool) -> None:
        while not self.stop.is_set():
            try:
                if drop:
                    self._queue.put_nowait(item)
                else:
                    self._queue.put(item, timeout=0.1)
                return
            except queue.Full:
                if drop:
                    self._discard()

    def _discard(self) -> None:
        try:
            self._queue.get_nowait()
        except queue.Empty:
            return

    def take(self, timeout_s: float) -> tuple[int, np.ndarray] | None:
        """The next frame with its number in this connection; None at the end.

        Raises:
            queue.Empty: There was none for ``timeout_s``.
            Exception: Whatever broke the source off.
        """
        item = self._queue.get(timeout=timeout_s)
        if isinstance(item, BaseException):
            raise item
        return item


class LiveSource(FrameSource):
    """Frames that a thread reads while the last one is being worked on.

    Frames that change their size, also after a new connection, are scaled to the first.

    Args:
        name: For output files.
        label: For messages.
        frames: Opens the source and gives its frames, anew with each call; runs in the thread and
            ends when the source does.
        fps: Frames per second, 0 where unknown.
        drop: Give only the newest frame and drop those that were missed; otherwise the reader
            waits.
        timeout_s: How long the next frame may take.
        reconnect: So many times in a row a source that breaks off, is silent or (``endless``) ends
            is opened again, after 1, 2, 4
            ... :data:`LONGEST_WAIT_S` seconds. ``notes`` say when.
        endless: The source has no end of its own: when it ends, the sender is gone.

    Raises:
        SourceError: While iterating: the source cannot be read, or is silent for ``timeout_s``, and
            no try is left.
    """

    live = True

    def __init__(
        self,
        name: str,
        label: str,
        frames: Callable[[], Iterator[np.ndarray]],
        fps: float = 0.0,
        drop: bool = True,
        timeout_s: float = TIMEOUT_S,
        reconnect: int = 0,
        endless: bool = False,
    ) -> None:
        self.name = name
        self.label = label
        self.fps = fps
        self.drop = drop
        self.timeout_s = timeout_s
        self.reconnect, self.endless = reconnect, endless
        self._frames = frames
        self._connection: _Connection | None = None
        self._closed = threading.Event()

    def __iter__(self) -> Iterator[tuple[int, np.ndarray]]:
        if self._connection is not None:
            raise RuntimeError(f'{self.label}: a live source can be read once')
        first = tries = (
            0  # number of the first frame of this connection, and of connections without a frame
        )
        size_wh: tuple[int, int] | None = None
        while True:
            connection = self._connection = _Connection(self.name, self._frames, self.drop)
            following = first
            try:
                while (item := self._next(connection)) is not None:
                    index, frame = item
                    size_wh = size_wh or (frame.shape[1], frame.shape[0])
                    following, tries = first + index + 1, 0
                    yield first + index, resize_within(frame, size_wh)
                if not self.endless or not self.reconnect or self._closed.is_set():
                    return
                broken = SourceError(self.label, 'ended')
            except SourceError as error:
                broken = error
            connection.stop.set()
            if tries >= self.reconnect:
                raise broken
            tries, first = tries + 1, following
            self.notes = (*self.notes, f'{broken.cause} after {following} frames, opened again')
            if self._closed.wait(min(2.0 ** (tries - 1), LONGEST_WAIT_S)):
                return

    def _next(self, connection: _Connection) -> tuple[int, np.ndarray] | None:
        try:
            return connection.take(self.timeout_s)
        except queue.Empty:
            raise SourceError(self.label, f'no frame for {self.timeout_s:g} seconds') from None

    def close(self) -> None:
        self._closed.set()
        if self._connection is not None:
            self._connection.stop.set()
            self._connection.thread.join(timeout=self.timeout_s)


def open_source(
    spec: str, drop: bool | None = None, reconnect: int = 0, timeout_s: float = TIMEOUT_S
) -> FrameSource:
    """Frames of a file, a folder, a camera (its number) or a stream (its URL).

    Args:
        spec: What to open.
        drop: Whether a live source drops frames when the tracker is too slow; by default cameras
            and real-time protocols do, a file behind an HTTP address does not.
        reconnect: How often in a row a live source that breaks off is opened again; 0 ends with it.
            See :class:`LiveSource`.
        timeout_s: Seconds to wait for a connection, and for the next frame of a live source.

    Raises:
        ClipError: A file or folder that cannot be read.
        SourceError: A camera or stream that cannot be opened.
    """
    if re.fullmatch(r'\d+', spec) and not Path(spec).exists():
        return _open_camera(int(spec), True if drop is None else drop, reconnect, timeout_s)
    scheme = urlsplit(spec).scheme.lower()
    if scheme in STREAM_SCHEMES:
        real_time = scheme in REAL_TIME_SCHEMES
        return _open_stream(
            spec, real_time if drop is None else drop, real_time, reconnect, timeout_s
        )
    return ClipSource(open_clip(spec))


def _open_camera(index: int, drop: bool, reconnect: int, timeout_s: float) -> LiveSource:
    import cv2

    label = f'camera {index}'

    def connect() -> cv2.VideoCapture:
        logging = cv2.utils.logging
        before = logging.setLogLevel(
            logging.LOG_LEVEL_SILENT
        )  # OpenCV's own warnings would hide the one line
        try:
            capture = cv2.VideoCapture(index)
        finally:
            logging.setLogLevel(before)
        if not capture.isOpened():
            raise SourceError(label, 'cannot be opened (no such camera, in use, or no permission)')
        return capture

    opened = [connect()]
    fps = float(opened[0].get(cv2.CAP_PROP_FPS) or 0)

    def frames() -> Iterator[np.ndarray]:
        capture = opened.pop() if opened else connect()
        try:
            while True:
                good, frame = capture.read()
                if not good:
                    return
                yield frame
        finally:
            capture.release()

    return LiveSource(
        f'camera_{index}', label, frames, fps, drop, timeout_s, reconnect, endless=True
    )


def _sends_whole_files_only(url: str, timeout_s: float) -> bool:
    """Whether an HTTP server announces a file of known length and no byte ranges.

    A video whose index is at its end cannot be read from such a server.
    """
    request = urllib.request.Request(url, method='HEAD')
    try:
        with urllib.request.urlopen(request, timeout=timeout_s) as response:
            return 'Content-Length' in response.headers and 'bytes' not in response.headers.get(
                'Accept-Ranges', ''
            )
    except (OSError, ValueError):  # it does not answer HEAD; the stream itself was opened
        return False


def _connect(
    url: str, label: str, timeout_s: float
) -> tuple[av.container.InputContainer, av.video.stream.VideoStream]:
    """The container behind an address and its video stream.

    Raises:
        SourceError: It cannot be opened, or has no video.
    """
    options = {'rtsp_transport': 'tcp'} if url.lower().startswith('rtsp') else {}
    try:
        container = av.open(url, options=options, timeout=(timeout_s, timeout_s))
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise SourceError(label, f'cannot be opened ({reason_of(error)})') from error
    stream = main_stream(container)
    if stream is None:
        container.close()
        raise SourceError(label, 'no video in this stream')
    return container, stream


def _open_stream(
    url: str, drop: bool, real_time: bool, reconnect: int, timeout_s: float
) -> FrameSource:
    label = _without_password(url)
    container, stream = _connect(url, label, timeout_s)
    if url.lower().startswith('http') and _sends_whole_files_only(url, timeout_s):
        container.close()
        return DownloadedSource(url, label, timeout_s)
    opened = [(container, stream)]
    rate = stream.average_rate or stream.guessed_rate

    def frames() -> Iterator[np.ndarray]:
        container, stream = opened.pop() if opened else _connect(url, label, timeout_s)
        with container:
            yield from _decoded(container, stream, label)

    name = re.sub(
        r'[^\w.-]', '_', Path(urlsplit(url).path).stem or urlsplit(url).hostname or 'stream'
    )
    return LiveSource(
        name,
        label,
        frames,
        float(rate) if rate else 0.0,
        drop,
        timeout_s,
        reconnect,
        endless=real_time,
    )


def _decoded(
    container: av.container.InputContainer, stream: av.video.stream.VideoStream, label: str
) -> Iterator[np.ndarray]:
    """Frames of a stream; packets that cannot be decoded are passed over."""
    bad = 0
    try:
        for packet in container.demux(stream):
            try:
                pictures = packet.decode()
            except av.error.InvalidDataError as error:
                bad += 1
                if bad > BAD_PACKETS:
                    raise SourceError(label, f'cannot be decoded ({reason_of(error)})') from error
                continue
            for picture in pictures:
                bad = 0
                yield upright(picture.to_ndarray(format='bgr24'), orientation_of(picture))
    except (av.error.FFmpegError, OSError) as error:
        raise SourceError(label, f'broke off ({reason_of(error)})') from error


def _without_password(url: str) -> str:
    return re.sub(r'//[^/@]*@', '//', url)
