"""Frames of a video file, decoded with PyAV; the index of a frame is its place in a sequential
pass, however it is read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import av
import cv2
import numpy as np
from av.video.reformatter import ColorRange, VideoReformatter
from av.video.stream import VideoStream

from usot_plugin.utils.worker_pool import sign_of_life

from .clip import Clip, ClipError, fingerprint_of, resize_within
from .video_index import (
    NO_TIME,
    VideoIndex,
    decoded,
    decoded_index,
    main_stream,
    one_thread,
    open_video,
    orientation_of,
    packet_index,
    reason_of,
    upright,
)

#: A reader that is at most this far ahead of the decoder decodes on instead of seeking.
STEP_FORWARD_FRAMES = 64

#: A seek that lands behind the frame is tried again from up to so many key frames earlier, then the
#: file is decoded from its start.
MAX_KEYS_BACK = 8

#: Lost frames that a note names.
SHOWN_LOST = 3

#: So many frames in a row that cannot be decoded are shown as the frame before; more of them are an
#: error.
MAX_STAND_INS = 50

#: Pixel formats whose first plane is luminance in bytes.
LUMA_FIRST_FORMATS = frozenset(
    {
        'yuv420p',
        'yuv422p',
        'yuv444p',
        'yuv440p',
        'yuv411p',
        'yuvj420p',
        'yuvj422p',
        'yuvj444p',
        'yuvj440p',
        'nv12',
        'nv21',
        'gray',
    }
)

#: Video keeps luminance in 16..235 unless it says otherwise.
STUDIO_TO_FULL_RANGE = np.clip((np.arange(256) - 16.0) * (255 / 219) + 0.5, 0, 255).astype(np.uint8)


def _luminance(frame: av.VideoFrame, size_wh: tuple[int, int]) -> np.ndarray:
    """The 8-bit luma plane at a size, ``(H, W)`` uint8 over the full range 0..255; no colour is
    converted on the way."""
    plane = frame.planes[0]
    luma = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[
        : frame.height, : frame.width
    ]
    full_range = (
        frame.format.name.startswith(('yuvj', 'gray')) or frame.color_range == ColorRange.JPEG
    )
    luma = resize_within(luma, size_wh)
    return luma.copy() if full_range else cv2.LUT(luma, STUDIO_TO_FULL_RANGE)


class VideoClip(Clip):
    """A video file, decoded with PyAV.

    A random read always equals the frame of this index in a sequential pass. Opening reads the
    packets (no decoding) where their clock can be trusted, and decodes the file once where it
    cannot; see :mod:`~usot_plugin.structures.video_index`. A random read seeks to the key frame
    before it and decodes forward. One decoder is kept open, so reading forward in small steps costs
    no seek. Frames that change their size midway are scaled to the first, as players do. A frame in
    the middle that cannot be decoded keeps its place where the clock tells it, and the frame before
    stands for it; ``notes`` says so.

    Args:
        path: The file.

    Raises:
        ClipError: Not a video, no video stream, no frame, or not readable.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.name = self.path.stem
        self._container: av.container.InputContainer | None = None
        self._scaler: VideoReformatter | None = None
        self._pid = os.getpid()  # whose decoder it is
        self._lost: list[int] = []  # frames that another stands for
        self._let_go()
        try:
            with open_video(self.path) as container:
                stream = main_stream(container)
                if stream is None:
                    raise ClipError(self.path, 'no video stream')
                index = packet_index(container, stream)
            if index is None or not self._starts_as(index):
                index = decoded_index(self.path)
        except (av.error.FFmpegError, OSError) as error:
            raise ClipError(self.path, f'not a readable video ({reason_of(error)})') from error
        if index is None or not len(index):
            notes = '' if index is None else '; '.join(index.notes)
            raise ClipError(self.path, 'no frame in the video' + (f' ({notes})' if notes else ''))
        self._index = index
        self.frame_count, self.fps, self.notes = len(index), index.fps, index.notes
        for _, frame in self._frames(0, 1):
            swap = orientation_of(frame)[0]
            self.size_wh = (frame.height, frame.width) if swap else (frame.width, frame.height)

    def _starts_as(self, index: VideoIndex) -> bool:
        """Whether a pass begins with the first frame of this index.

        A stream that was cut between key frames does not, and in an interlaced one the fields of a
        frame may have a packet each."""
        self._index, self.frame_count = index, len(index)
        self._restart(0)
        place, first = self._peek()
        good = (
            first is not None
            and place == 0
            and not (first.is_corrupt or first.interlaced_frame or self._problems)
        )
        if not good:
            self._let_go()
        return good

    def _let_go(self) -> None:
        """Close the decoder."""
        if self._container is not None:
            self._container.close()
        self._container = None
        self._decoder: Iterator[av.VideoFrame] = iter(())
        self._problems: list[str] = []  # of this decoder
        self._next_index = 0  # after the last frame that was given
        self._orientation: tuple[bool, bool, bool] | None = None
        self._sought = 0  # key frame that was sought
        self._seeked = False  # the decoder did not begin at the start of the file
        self._shown: tuple[int, av.VideoFrame] | None = None  # the last frame that came out
        self._ahead: tuple[int, av.VideoFrame | None] | None = None  # decoded, not yet given

    def _leave_to_parent(self) -> None:
        """Take no more of a decoder that was there when this process was forked.

        Both would move the one position in the file. It is put aside, not closed: closing a decoder
        may wait for its threads, which do not exist in a forked process.
        """
        self._inherited = self._container, self._decoder, self._scaler, self._shown, self._ahead
        self._container = self._scaler = None
        self._let_go()

    def _restart(self, index: int, keys_back: int | None = None) -> None:
        """Open the decoder at or before a frame: ``keys_back`` key frames earlier than needed, or
        at the start of the file."""
        self._let_go()
        self._container, self._pid = open_video(self.path), os.getpid()
        stream = cast(VideoStream, self._container.streams[self._index.stream])
        one_thread(stream)
        if keys_back is not None:
            keys = self._index.keys[self._index.keys <= index]
            key = int(keys[-1 - keys_back]) if keys_back < len(keys) else 0
            if key > 0 and self._index.times[key] != NO_TIME:
                try:
                    self._container.seek(int(self._index.times[key]), stream=stream, backward=True)
                    self._seeked, self._sought = True, key
                except (av.error.FFmpegError, OSError):  # this container cannot seek, or not there
                    return self._restart(index)
        self._decoder = decoded(self._container, stream, self._problems)
        return None

    def _peek(self) -> tuple[int, av.VideoFrame | None]:
        """The next frame of the decoder with its index; no frame and the number of frames at the
        end."""
        while self._ahead is None:
            sign_of_life()
            frame = next(self._decoder, None)
            if frame is None:
                self._ahead = self.frame_count, None
            elif self._index.sums is not None and (self._shown is not None or not self._seeked):
                self._ahead = (
                    (self._shown[0] + 1 if self._shown else 0),
                    frame,
                )  # places of a pass, counted on
            else:
                place = self._index.place_of(frame)
                # Otherwise a frame that a pass does not have: broken references after a seek
                if place is not None:
                    self._ahead = place, frame
        return self._ahead

    def _is_astray(self, index: int, frame: av.VideoFrame | None, wanted: int) -> bool:
        """Whether a decoder that began in the middle may give another picture than a pass from the
        start."""
        if not self._seeked:
            return False
        if index > wanted or frame is None:
            return True
        if self._index.sums is not None:
            return index == wanted and not self._index.is_frame(index, frame)
        if self._shown is None and index > self._sought:
            return True
        return (
            bool(self._problems) or frame.is_corrupt
        )  # what stands for lost parts depends on what was decoded before

    def _frames(self, start: int, stop: int) -> Iterator[tuple[int, av.VideoFrame]]:
        """Decoded frames ``start <= index < stop``; keeps the decoder for the next call."""
        wanted, keys_back = start, 0
        if self._container is not None and self._pid != os.getpid():
            self._leave_to_parent()
        near = (
            self._container is not None
            and self._next_index <= start <= self._next_index + STEP_FORWARD_FRAMES
        )
        expected = self._next_index if near else None
        while wanted < stop:
            if self._container is not None and self._pid != os.getpid():  # forked since the last
                self._leave_to_parent()
            if self._container is None or self._next_index != expected:
                self._reopen(
                    wanted, 0
                )  # a jump, or another reader moved the decoder between two frames of this one
                keys_back, expected = 0, self._next_index
            index, frame = self._peek()
            if self._is_astray(index, frame, wanted):
                # Some containers seek by decoding time and land behind the frame: go further back,
                # in the end to the start. A trusted clock lands on the key frame; if it does not
                # come out, the key frames are none (a stream with intra refresh).
                landed_behind = (
                    self._shown is None and index > wanted and self._index.sums is not None
                )
                keys_back = 2 * keys_back + 1
                self._reopen(
                    wanted, keys_back if landed_behind and keys_back < MAX_KEYS_BACK else None
                )
                expected = self._next_index
                continue
            if index > wanted:
                stand_in = self._stand_in(wanted, index)
                self._next_index = expected = wanted + 1
                yield wanted, stand_in
                wanted += 1
                continue
            assert frame is not None
            self._shown, self._ahead = (index, frame), None
            self._next_index = expected = index + 1
            if index == wanted:
                yield index, frame
                wanted += 1

    def _reopen(self, index: int, keys_back: int | None) -> None:
        try:
            self._restart(index, keys_back)
        except (av.error.FFmpegError, OSError) as error:
            self._let_go()
            raise ClipError(
                self.path, f'cannot be opened again ({reason_of(error)})', index
            ) from error

    def _stand_in(self, wanted: int, following: int) -> av.VideoFrame:
        """The frame before, for one that cannot be decoded."""
        cause = f' ({self._problems[-1]})' if self._problems else ''
        if self._shown is None or following - self._shown[0] - 1 > MAX_STAND_INS:
            last = following - 1
            raise ClipError(
                self.path, f'cannot be decoded, nor can the frames up to {last}{cause}', wanted
            )
        if wanted not in self._lost:
            self._lost = sorted([*self._lost, wanted])
            places = ', '.join(map(str, self._lost[:SHOWN_LOST])) + (
                ' ...' if len(self._lost) > SHOWN_LOST else ''
            )
            which = (
                f'frame {wanted}'
                if len(self._lost) == 1
                else f'{len(self._lost)} frames ({places})'
            )
            self.notes = (
                *self._index.notes,
                f'{which} cannot be decoded{cause}; the frame before stands in',
            )
        return self._shown[1]

    def _to_array(
        self, frame: av.VideoFrame, size_wh: tuple[int, int] | None, gray: bool
    ) -> np.ndarray:
        # It can change where a stream begins anew; asking costs 0.05 ms.
        if self._orientation is None or frame.key_frame:
            self._orientation = orientation_of(frame)
        orientation = self._orientation
        width, height = size_wh or self.size_wh
        if orientation[0]:
            width, height = height, width
        if gray and frame.format.name in LUMA_FIRST_FORMATS:
            array = _luminance(frame, (width, height))
        else:
            if self._scaler is None:
                self._scaler = (
                    VideoReformatter()
                )  # a frame's own reformat() plans the conversion anew, 2 ms for each frame
            filter_name = 'BICUBIC' if (width, height) == (frame.width, frame.height) else 'AREA'
            array = self._scaler.reformat(
                frame, width=width, height=height, format='bgr24', interpolation=filter_name
            ).to_ndarray()
            if gray:
                array = cv2.cvtColor(array, cv2.COLOR_BGR2GRAY)
        return upright(array, orientation)

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
        decoder = (
            '_container',
            '_decoder',
            '_problems',
            '_scaler',
            '_shown',
            '_ahead',
            '_inherited',
        )
        return {key: value for key, value in self.__dict__.items() if key not in decoder}

    def __setstate__(self, state: dict) -> None:
        self.__dict__.update(state, _container=None, _scaler=None)
        self._let_go()
