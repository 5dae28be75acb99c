"""Frames from wherever they come: files and folders by exact index, cameras and network streams as they arrive."""

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

from usot_plugin.structures.clip import Clip, ClipError, open_clip
from usot_plugin.structures.video_index import main_stream, orientation_of, reason_of, upright

#: Schemes that are opened as a stream.
STREAM_SCHEMES = ('rtsp', 'rtsps', 'rtmp', 'http', 'https', 'udp', 'tcp', 'srt')
#: Schemes that send in real time: a tracker that is too slow drops frames instead of falling behind.
REAL_TIME_SCHEMES = ('rtsp', 'rtsps', 'rtmp', 'udp', 'srt')
#: Seconds to wait for a connection, and for the next frame.
TIMEOUT_S = 15.0
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
        notes: What is wrong with the source though it can be read.
    """

    name: str
    label: str
    fps: float = 0.0
    live: bool = False
    notes: tuple[str, ...] = ()

    def close(self) -> None:  # noqa: B027  files have nothing to let go of
        """Let go of the camera or connection."""

    @abstractmethod
    def __iter__(self) -> Iterator[tuple[int, np.ndarray]]:
        """Frames with their index; an index that is left out was dropped."""

    def __enter__(self) -> FrameSource:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


class ClipSource(FrameSource):
    """All frames of a clip."""

    def __init__(self, clip: Clip) -> None:
        self.clip = clip
        self.name, self.label, self.fps = clip.name, str(clip.path), clip.fps

    @property
    def notes(self) -> tuple[str, ...]:  # type: ignore[override]
        return self.clip.notes

    def __iter__(self) -> Iterator[tuple[int, np.ndarray]]:
        return self.clip.iter_frames()


class DownloadedSource(ClipSource):
    """A file behind an HTTP address whose server cannot send parts of it, kept in a temporary file while it is used.

    Args:
        url: Address.
        label: The address for messages.

    Raises:
        SourceError: It cannot be fetched or is no video.
    """

    def __init__(self, url: str, label: str) -> None:
        self._folder = tempfile.TemporaryDirectory()
        file = Path(self._folder.name, Path(urlsplit(url).path).name or 'download')
        try:
            with urllib.request.urlopen(url, timeout=TIMEOUT_S) as response, file.open('wb') as stream:
                shutil.copyfileobj(response, stream)
            super().__init__(open_clip(file))
        except OSError as error:
            self.close()
            raise SourceError(label, f'cannot be fetched ({reason_of(error)})') from error
        except ClipError as error:
            self.close()
            raise SourceError(label, error.cause) from error
        self.label = label

    def close(self) -> None:
        self._folder.cleanup()


class LiveSource(FrameSource):
    """Frames that a thread reads while the last one is being worked on.

    Args:
        name: For output files.
        label: For messages.
        frames: Gives the frames; runs in the thread and ends when the source does.
        fps: Frames per second, 0 where unknown.
        drop: Give only the newest frame and drop those that were missed; otherwise the reader waits.
        timeout_s: How long the next frame may take.

    Raises:
        SourceError: While iterating: the source cannot be read, or is silent for ``timeout_s``.
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
    ) -> None:
        self.name, self.label, self.fps, self.drop, self.timeout_s = name, label, fps, drop, timeout_s
        self._frames = frames
        self._queue: queue.Queue = queue.Queue(1 if drop else READ_AHEAD)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def _read(self) -> None:
        end: BaseException | None = None
        try:
            for index, frame in enumerate(self._frames()):
                if self._stop.is_set():
                    return
                self._put((index, frame), self.drop)
        except Exception as error:  # any: the thread that iterates raises it
            end = error
        self._put(end, drop=False)

    def _put(self, item: object, drop: bool) -> None:
        while not self._stop.is_set():
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

    def __iter__(self) -> Iterator[tuple[int, np.ndarray]]:
        if self._thread is not None:
            raise RuntimeError(f'{self.label}: a live source can be read once')
        self._thread = threading.Thread(target=self._read, name=f'read {self.name}', daemon=True)
        self._thread.start()
        while True:
            try:
                item = self._queue.get(timeout=self.timeout_s)
            except queue.Empty:
                raise SourceError(self.label, f'no frame for {self.timeout_s:g} seconds') from None
            if item is None:
                return
            if isinstance(item, BaseException):
                raise item
            yield item

    def close(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=self.timeout_s)


def open_source(spec: str, drop: bool | None = None) -> FrameSource:
    """Frames of a file, a folder, a camera (its number) or a stream (its URL).

    Args:
        spec: What to open.
        drop: Whether a live source drops frames when the tracker is too slow; by default cameras and real-time protocols do, a file behind
            an HTTP address does not.

    Raises:
        ClipError: A file or folder that cannot be read.
        SourceError: A camera or stream that cannot be opened.
    """
    if re.fullmatch(r'\d+', spec) and not Path(spec).exists():
        return _open_camera(int(spec), True if drop is None else drop)
    scheme = urlsplit(spec).scheme.lower()
    if scheme in STREAM_SCHEMES:
        return _open_stream(spec, scheme in REAL_TIME_SCHEMES if drop is None else drop)
    return ClipSource(open_clip(spec))


def _open_camera(index: int, drop: bool) -> LiveSource:
    import cv2

    label = f'camera {index}'
    logging = cv2.utils.logging
    before = logging.setLogLevel(logging.LOG_LEVEL_SILENT)  # OpenCV's own warnings would hide the one line
    try:
        capture = cv2.VideoCapture(index)
    finally:
        logging.setLogLevel(before)
    if not capture.isOpened():
        raise SourceError(label, 'cannot be opened (no such camera, in use, or no permission)')

    def frames() -> Iterator[np.ndarray]:
        try:
            while True:
                good, frame = capture.read()
                if not good:
                    return
                yield frame
        finally:
            capture.release()

    return LiveSource(f'camera_{index}', label, frames, float(capture.get(cv2.CAP_PROP_FPS) or 0), drop)


def _sends_whole_files_only(url: str) -> bool:
    """Whether an HTTP server announces a file of known length and no byte ranges.

    A video whose index is at its end cannot be read from such a server.
    """
    request = urllib.request.Request(url, method='HEAD')
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:
            return 'Content-Length' in response.headers and 'bytes' not in response.headers.get('Accept-Ranges', '')
    except (OSError, ValueError):  # it does not answer HEAD; the stream itself was opened
        return False


def _open_stream(url: str, drop: bool) -> FrameSource:
    label = _without_password(url)
    options = {'rtsp_transport': 'tcp'} if url.lower().startswith('rtsp') else {}
    try:
        container = av.open(url, options=options, timeout=(TIMEOUT_S, TIMEOUT_S))
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise SourceError(label, f'cannot be opened ({reason_of(error)})') from error
    stream = main_stream(container)
    if stream is None:
        container.close()
        raise SourceError(label, 'no video in this stream')
    if url.lower().startswith('http') and _sends_whole_files_only(url):
        container.close()
        return DownloadedSource(url, label)

    def frames() -> Iterator[np.ndarray]:
        with container:
            yield from _decoded(container, stream, label)

    rate = stream.average_rate or stream.guessed_rate
    name = Path(urlsplit(url).path).stem or urlsplit(url).hostname or 'stream'
    return LiveSource(re.sub(r'[^\w.-]', '_', name), label, frames, float(rate) if rate else 0.0, drop)


def _decoded(container: av.container.InputContainer, stream: av.video.stream.VideoStream, label: str) -> Iterator[np.ndarray]:
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
