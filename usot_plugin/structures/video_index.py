"""What is in a video file: the stream to read, the frames that a sequential pass gives, and where
to start for one of them.

Two ways make the index of a file. Where the clock of its packets can be trusted, the packets are
read and nothing is decoded: a frame's index is the rank of its presentation time. Otherwise
(recordings that were put together, cut or damaged; containers that keep no presentation times) one
pass decodes the file, and the index is the place of a frame in this pass. Such an index also
remembers a check sum of each picture, so that after a seek it is known which frame the decoder has
come to and whether it is whole.
"""

from __future__ import annotations

import os
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
from av.stream import Disposition

from usot_plugin.utils.worker_pool import sign_of_life

#: Containers that keep a presentation time for every frame and seek by it.
CLOCKED_FORMATS = frozenset({'mov,mp4,m4a,3gp,3g2,mj2', 'matroska,webm'})
#: Codecs with one shown frame in each packet, whose decoders start anew at a key frame and tell
#: which pictures they patched. VP8 has packets that show nothing; decoders of MPEG-2 and MPEG-4
#: patch a picture from the one before without a word.
EXACT_CODECS = frozenset({'h264', 'hevc', 'vp9', 'av1'})

#: Stands for the presentation time of a frame that has none.
NO_TIME = -(1 << 62)


@dataclass(frozen=True)
class VideoIndex:
    """The ``N`` frames of a file in the order of a sequential pass.

    Attributes:
        stream: Number of the stream in the container.
        fps: Average rate; 0 where unknown.
        times: ``(N,)`` int64 presentation times in units of the stream; :data:`NO_TIME` where a
            frame has none.
        keys: Ascending indices of the frames at which decoding can start.
        sums: ``(N,)`` check sums of the pictures, where the file was decoded for the index; None
            where the clock is trusted.
        notes: What is wrong with the file, in words.
    """

    stream: int
    fps: float
    times: np.ndarray
    keys: np.ndarray
    sums: np.ndarray | None = None
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.times)

    @cached_property
    def _places(self) -> dict[tuple[int, int], int]:
        """Index of each picture that occurs once."""
        assert self.sums is not None
        pictures = list(zip(self.times.tolist(), self.sums.tolist(), strict=True))
        count = Counter(pictures)
        return {picture: index for index, picture in enumerate(pictures) if count[picture] == 1}

    def place_of(self, frame: av.VideoFrame) -> int | None:
        """Index of a decoded frame; None where the file has no such frame, or several."""
        if self.sums is not None:
            return self._places.get((_time_of(frame), picture_sum(frame)))
        if frame.pts is None:
            return None
        rank = int(np.searchsorted(self.times, frame.pts))
        return rank if rank < len(self) and self.times[rank] == frame.pts else None

    def is_frame(self, index: int, frame: av.VideoFrame) -> bool:
        """Whether a decoded frame is frame ``index``, in time and, where known, in its pixels."""
        if self.times[index] != _time_of(frame):
            return False
        return self.sums is None or int(self.sums[index]) == picture_sum(frame)


def open_video(path: str | Path) -> av.container.InputContainer:
    """The container of a file; metadata in unknown encodings is no reason to refuse it."""
    return av.open(str(path), metadata_errors='ignore')


def main_stream(container: av.container.InputContainer) -> av.video.stream.VideoStream | None:
    """The video stream that a player shows: no cover picture, marked as default, the largest."""
    pictures = Disposition.attached_pic | Disposition.timed_thumbnails
    films = [stream for stream in container.streams.video if not stream.disposition & pictures]

    def rank(stream: av.video.stream.VideoStream) -> tuple[bool, int, int]:
        area = (stream.codec_context.width or 0) * (stream.codec_context.height or 0)
        return bool(stream.disposition & Disposition.default), area, -stream.index

    return max(films, key=rank, default=None)


def decoded(
    container: av.container.InputContainer, stream: av.video.stream.VideoStream, problems: list[str]
) -> Iterator[av.VideoFrame]:
    """Frames from the container's position on.

    A packet that cannot be decoded is left out; its cause goes to ``problems``."""
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except (av.error.FFmpegError, OSError) as error:  # what follows cannot be read
            problems.append(reason_of(error))
            return
        try:
            frames = packet.decode()
        except av.error.EOFError:
            return
        except av.error.FFmpegError as error:
            problems.append(reason_of(error))
            continue
        yield from frames


def packet_index(
    container: av.container.InputContainer, stream: av.video.stream.VideoStream
) -> VideoIndex | None:
    """The index by the clock of the packets; None where this clock does not tell the order and
    number of the frames."""
    if container.format.name not in CLOCKED_FORMATS:
        return None
    times: list[int] = []
    keys: list[int] = []
    read, last_dts, sound = 0, None, True
    for packet in container.demux(stream):
        if packet.size == 0:
            continue
        read += 1
        if packet.is_corrupt or packet.pts is None:
            return None
        if packet.dts is not None:
            sound = sound and (last_dts is None or packet.dts > last_dts)
            last_dts = packet.dts
        if packet.is_discard:
            continue
        times.append(packet.pts)
        if packet.is_keyframe:
            keys.append(packet.pts)
    ordered = np.unique(np.asarray(times, np.int64))
    one_each = stream.codec_context.codec.canonical_name in EXACT_CODECS or len(keys) == len(times)
    complete = stream.frames <= read  # Matroska announces none
    if not sound or not one_each or not complete or len(ordered) != len(times):
        return None
    return VideoIndex(
        stream.index,
        _rate_of(stream),
        ordered,
        np.searchsorted(ordered, np.sort(np.asarray(keys, np.int64))),
    )


def decoded_index(path: str | Path) -> VideoIndex | None:
    """The index by one pass that decodes the file; remembered while the file stays as it is.

    None where there is no video stream.

    Raises:
        FFmpegError: The file cannot be opened.
        OSError: Likewise.
    """
    state = os.stat(path)
    return _decoded_index(str(path), state.st_size, state.st_mtime_ns, state.st_ino)


@lru_cache(maxsize=1024)
def _decoded_index(path: str, *_: int) -> VideoIndex | None:
    problems: list[str] = []
    times: list[int] = []
    keys: list[int] = []
    sums: list[int] = []
    with open_video(path) as container:
        stream = main_stream(container)
        if stream is None:
            return None
        one_thread(stream)
        for frame in decoded(container, stream, problems):
            sign_of_life()
            if frame.key_frame:
                keys.append(len(times))
            times.append(_time_of(frame))
            sums.append(picture_sum(frame))
        notes = [f'{len(problems)} packets cannot be decoded ({problems[0]})'] if problems else []
        clock = [time for time in times if time != NO_TIME]
        back = next(
            (index for index in range(1, len(clock)) if clock[index] <= clock[index - 1]), None
        )
        if back is not None:
            notes.append(f'the clock starts again at frame {back}')
        if stream.frames > len(times):
            notes.append(f'{len(times)} of {stream.frames} frames that it announces can be read')
        number, fps = stream.index, _rate_of(stream)
    as_sums = np.asarray(sums, np.int64)
    return VideoIndex(
        number, fps, np.asarray(times, np.int64), np.asarray(keys, np.int64), as_sums, tuple(notes)
    )


def one_thread(stream: av.video.stream.VideoStream) -> None:
    """Decode with one thread, as many processes work side by side; then a packet's error is told
    with this packet."""
    stream.thread_type = 'SLICE'
    stream.codec_context.thread_count = 1
    if stream.codec_context.codec.canonical_name == 'mjpeg':
        stream.codec_context.options = {
            'err_detect': 'explode'
        }  # otherwise it leaves undefined memory in a damaged picture


def picture_sum(frame: av.VideoFrame) -> int:
    """A check sum of a frame's pixels, without what pads its lines."""
    total, components = 0, frame.format.components
    for number, plane in enumerate(frame.planes):
        if frame.format.is_planar:
            bits = sum((part.bits + 7) // 8 * 8 for part in components if part.plane == number)
        else:
            bits = frame.format.padded_bits_per_pixel
        used = min(plane.line_size, (plane.width * bits + 7) // 8) or plane.line_size
        lines = np.frombuffer(memoryview(plane), np.uint8)[
            : plane.height * plane.line_size
        ].reshape(plane.height, -1)
        total = zlib.crc32(np.ascontiguousarray(lines[:, :used]).data, total)
    return total


def orientation_of(frame: av.VideoFrame) -> tuple[bool, bool, bool]:
    """How a player turns this frame, from its display matrix.

    Returns:
        Whether to swap rows and columns, then whether to mirror the result left to right, then
        whether top to bottom.
    """
    matrix = frame.side_data.get('DISPLAYMATRIX')
    if matrix is None:
        return False, False, False
    # A point (x, y) of the stored picture is shown at (a x + c y, b x + d y), with y downwards.
    a, b, _, c, d = np.frombuffer(memoryview(cast(Any, matrix)), np.int32)[:5].tolist()
    if abs(b) + abs(c) > abs(a) + abs(d):
        return True, c < 0, b < 0
    return False, a < 0, d < 0


def upright(array: np.ndarray, orientation: tuple[bool, bool, bool]) -> np.ndarray:
    """A picture ``(H, W)`` or ``(H, W, C)`` as a player shows it; see :func:`orientation_of`."""
    swap, mirror, flip = orientation
    if not (swap or mirror or flip):
        return array
    turned = array.swapaxes(0, 1) if swap else array
    return np.ascontiguousarray(turned[:: -1 if flip else 1, :: -1 if mirror else 1])


def reason_of(error: Exception) -> str:
    """The cause of an error of FFmpeg or the system, in words."""
    return getattr(error, 'strerror', None) or str(error) or type(error).__name__


def _rate_of(stream: av.video.stream.VideoStream) -> float:
    return float(stream.average_rate or stream.guessed_rate or 0)


def _time_of(frame: av.VideoFrame) -> int:
    return NO_TIME if frame.pts is None else frame.pts
