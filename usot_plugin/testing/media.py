"""Small clips in real formats, written with PyAV and OpenCV, for tests and self-checks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

#: ``tkhd`` display matrices of an MP4 file (16.16 and 2.30 fixed point), by clockwise degrees.
_MP4_MATRICES = {
    0: (1, 0, 0, 0, 1, 0, 0, 0, 1),
    90: (0, 1, 0, -1, 0, 0, 0, 0, 1),
    180: (-1, 0, 0, 0, -1, 0, 0, 0, 1),
    270: (0, -1, 0, 1, 0, 0, 0, 0, 1),
}


def moving_square_frames(
    count: int,
    size_wh: tuple[int, int] = (96, 72),
    side_px: int = 20,
    step_px: float = 3.0,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """A textured square that crosses a textured, still ground.

    Args:
        count: Number of frames ``T``.
        size_wh: Frame size in pixels.
        side_px: Side of the square.
        step_px: Motion per frame; the square bounces off the borders.
        seed: Of both textures.

    Returns:
        Frames ``(T, H, W, 3)`` uint8 BGR and boxes ``(T, 4)`` float64 ``x1, y1, x2, y2``.
    """
    width, height = size_wh
    random = np.random.default_rng(seed)
    ground = cv2.GaussianBlur(random.integers(0, 160, (height, width, 3), np.uint8), (0, 0), 1.5)
    square = cv2.GaussianBlur(
        random.integers(60, 256, (side_px, side_px, 3), np.uint8), (0, 0), 1.0
    )
    square[[0, -1]] = square[:, [0, -1]] = 255
    room = width - side_px
    frames = np.empty((count, height, width, 3), np.uint8)
    boxes = np.empty((count, 4))
    for index in range(count):
        way = (index * step_px) % (2 * room) if room else 0
        left = round(way if way <= room else 2 * room - way)
        top = round((height - side_px) * (0.5 + 0.2 * np.sin(index / 10)))
        frames[index] = ground
        frames[index, top : top + side_px, left : left + side_px] = square
        boxes[index] = left, top, left + side_px, top + side_px
    return frames, boxes


def write_video(
    path: str | Path,
    frames: Iterable[np.ndarray],
    codec: str = 'libx264',
    pixel_format: str = 'yuv420p',
    fps: int = 25,
    times: Sequence[int] | None = None,
    options: dict[str, str] | None = None,
    container_format: str | None = None,
) -> Path:
    """Encode BGR frames ``(H, W, 3)`` uint8 to a video file.

    Args:
        path: Target; its suffix picks the container unless ``container_format`` does.
        frames: The frames.
        codec: FFmpeg's name of the encoder.
        pixel_format: FFmpeg's name of the format the encoder gets.
        fps: Nominal rate.
        times: Presentation time of each frame in units of ``1 / fps`` s; uneven ones make a
            variable frame rate.
        options: Of the encoder, such as ``{'g': '12', 'bf': '3'}``.
    """
    path = Path(path)
    with av.open(str(path), 'w', format=container_format) as container:
        stream = container.add_stream(codec, rate=fps, options=options or {})
        for index, frame in enumerate(frames):
            if not index:
                stream.height, stream.width = frame.shape[:2]
                stream.pix_fmt = pixel_format
            picture = av.VideoFrame.from_ndarray(
                np.ascontiguousarray(frame), format='bgr24'
            ).reformat(format=pixel_format)
            if times is not None:
                picture.pts = int(times[index])
                picture.time_base = Fraction(1, fps)
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    return path


def set_mp4_rotation(path: str | Path, degrees: int) -> Path:
    """Write the display matrix of an MP4 file's first track, as a phone does that was held upright.

    Args:
        path: The file, changed in place.
        degrees: 0, 90, 180 or 270, clockwise, by which a player turns the picture.
    """
    path = Path(path)
    data = bytearray(path.read_bytes())
    start = data.index(b'tkhd') + 4
    version = data[start]
    # version/flags, times, track id, reserved, duration; then reserved (8), layer, group, volume,
    # reserved (8): the matrix.
    matrix_at = start + 4 + (32 if version == 1 else 20) + 16
    for index, value in enumerate(_MP4_MATRICES[degrees]):
        unit = 1 << 30 if index % 3 == 2 else 1 << 16
        data[matrix_at + 4 * index : matrix_at + 4 * index + 4] = (value * unit).to_bytes(
            4, 'big', signed=True
        )
    path.write_bytes(data)
    return path


def write_frames(
    folder: str | Path, frames: Iterable[np.ndarray], pattern: str = '{:05d}.png', first: int = 1
) -> Path:
    """Write frames (any depth and channel count OpenCV can encode) as a folder of images."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for index, frame in enumerate(frames, first):
        file = folder / pattern.format(index)
        done, data = cv2.imencode(file.suffix, frame)
        if not done:
            raise ValueError(f'{file}: OpenCV cannot encode this image')
        file.write_bytes(data.tobytes())
    return folder
