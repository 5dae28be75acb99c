"""Rendered clips with exact boxes, so that every step of the way can be tried without any data.

Textured objects move over a textured background that drifts with a hand-held camera; they change
scale, turn, pass behind things that stand in the scene, under changing light, with a little motion
blur and sensor noise. Everything is drawn with OpenCV from one seed.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import av
import cv2
import numpy as np

from usot_plugin.structures.boxes import xyxy_to_xywh
from usot_plugin.structures.clip import VIDEO_SUFFIXES, ClipError
from usot_plugin.utils.atomic import naming_full_disk, whole_file
from usot_plugin.utils.cli import exit_status, tool_parser
from usot_plugin.utils.progress import ProgressLines

from .scene import Body, draw_body, make_object, make_occluder, paint_texture, smooth_path

#: An object counts as hidden in a frame when less than this share of its silhouette can be seen.
HIDDEN_SHARE = 0.02


def render_clip(
    seed: int,
    frames: int = 60,
    size_wh: tuple[int, int] = (320, 240),
    objects: int = 1,
    speed_px: float = 3.0,
    camera_px: float = 12.0,
    scale_change: float = 0.25,
    occluders: int = 1,
    noise: float = 2.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Render a clip and the exact boxes of its objects.

    Args:
        seed: Same seed, same clip.
        frames: Number of frames ``T``.
        size_wh: Size of the frames.
        objects: Number ``K`` of moving objects; later ones are in front.
        speed_px: Mean speed of the objects along each axis, pixels per frame.
        camera_px: Largest drift of the camera on each axis.
        scale_change: The object's size varies by factors up to ``exp(+-scale_change)``.
        occluders: Number of upright things in the scene that the objects pass behind; each is
            placed on the path of one object.
        noise: Standard deviation of the sensor noise in grey values.

    Returns:
        ``(T, H, W, 3)`` uint8 BGR, and ``(K, T, 4)`` float64 boxes ``x1, y1, x2, y2`` of the whole
        silhouette cut at the frame (a covered part counts); nan in frames where the object is
        hidden.

    Raises:
        ValueError: No frame, no object, or frames under 32 pixels.
    """
    if frames < 1 or objects < 1 or min(size_wh) < 32:
        raise ValueError(
            f'render_clip needs frames, objects and at least 32x32 pixels, got {frames}, '
            f'{objects}, {size_wh}'
        )
    rng = np.random.default_rng(seed)
    width, height = size_wh
    ground_hue = rng.random()
    margin = int(np.ceil(camera_px)) + 2
    ground = paint_texture(
        rng, (width + 2 * margin, height + 2 * margin), ground_hue, cells=5, contrast=0.9
    )
    camera = np.stack([smooth_path(rng, frames, 90), smooth_path(rng, frames, 90)], -1) * camera_px
    # Hues are spread around the circle, away from the ground's.
    hues = (
        ground_hue
        + 0.5
        + (np.arange(objects) - (objects - 1) / 2) / (objects + 1)
        + rng.normal(0, 0.05, objects)
    )
    bodies = [make_object(rng, frames, size_wh, hue, speed_px, scale_change) for hue in hues]
    posts = [
        make_occluder(rng, bodies[k % objects], camera, ground_hue + 0.15) for k in range(occluders)
    ]
    light = 1 + 0.12 * smooth_path(rng, frames, 80)
    slope = np.linspace(-0.1, 0.1, width, dtype=np.float32)[None, :, None] * rng.uniform(-1, 1)
    grain = rng.normal(0, noise, (height + 64, width + 64, 3)).astype(np.float32)

    video = np.empty((frames, height, width, 3), np.uint8)
    boxes = np.full((objects, frames, 4), np.nan)
    for t in range(frames):
        shift = np.array([[1, 0, -margin - camera[t, 0]], [0, 1, -margin - camera[t, 1]]])
        frame = cv2.warpAffine(
            ground, shift, size_wh, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
        )
        silhouettes = [draw_body(frame, body, t) for body in (*bodies, *posts)]
        boxes[:, t] = visible_boxes(bodies, silhouettes, t, size_wh)
        dy, dx = rng.integers(0, 64, 2)
        lit = frame * (np.float32(light[t]) + slope) + grain[dy : dy + height, dx : dx + width]
        video[t] = np.clip(np.round(lit), 0, 255).astype(np.uint8)
    return video, boxes


def visible_boxes(
    bodies: Sequence[Body], silhouettes: Sequence[np.ndarray], t: int, size_wh: tuple[int, int]
) -> np.ndarray:
    """Boxes ``(K, 4)`` of the outlines, nan where (nearly) everything is covered or outside; later
    silhouettes are in front."""
    boxes = np.full((len(bodies), 4), np.nan)
    in_front = np.zeros_like(silhouettes[0])
    for layer in range(len(silhouettes) - 1, -1, -1):
        if layer < len(bodies):
            polygon = bodies[layer].polygon(t)
            area = abs(cv2.contourArea(polygon.astype(np.float32)))
            if np.count_nonzero(silhouettes[layer] & ~in_front) >= max(1.0, HIDDEN_SHARE * area):
                low = np.clip(polygon.min(0), 0, size_wh)
                high = np.clip(polygon.max(0), 0, size_wh)
                boxes[layer] = (*low, *high)
        in_front |= silhouettes[layer]
    return boxes


def write_clip(path: str | Path, frames: np.ndarray, fps: int = 25) -> Path:
    """Write ``(T, H, W, 3)`` uint8 BGR frames as a video (path with a video suffix) or a folder of
    PNG images (anything else).

    Video is H.264 at a quality that the eye cannot tell from the original, MPEG-4 where the encoder
    is missing; sides must be even. A file appears whole or not at all.

    Raises:
        ValueError: A side of the frames is odd and the path is a video.
    """
    path = Path(path)
    if path.suffix.lower() not in VIDEO_SUFFIXES:
        path.mkdir(parents=True, exist_ok=True)
        for index, frame in enumerate(frames):
            _write_image(path / f'{index + 1:05d}.png', frame)
        return path
    height, width = frames.shape[1:3]
    if height % 2 or width % 2:
        raise ValueError(f'{path}: video needs even sides, got {width}x{height}')
    codec, options = (
        ('libx264', {'crf': '8', 'preset': 'veryfast'})
        if 'libx264' in av.codecs_available
        else ('mpeg4', {'qscale': '2'})
    )
    with whole_file(path) as part, av.open(str(part), 'w') as container:
        stream = container.add_stream(codec, rate=fps, options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, 'yuv420p'
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format='bgr24')))
        container.mux(stream.encode())
    return path


def write_sequence(folder: str | Path, frames: np.ndarray, boxes_xyxy: np.ndarray) -> Path:
    """Write an annotated test sequence: ``img/00001.jpg ...``, ``groundtruth.txt`` (x,y,w,h; nan =
    absent), ``absence.label`` where needed.

    Args:
        folder: The sequence's folder.
        frames: ``(T, H, W, 3)`` uint8 BGR.
        boxes_xyxy: ``(T, 4)`` of one object.

    Raises:
        ValueError: Frames and boxes differ in number, or the first frame has no box.
    """
    folder = Path(folder)
    if len(frames) != len(boxes_xyxy):
        raise ValueError(f'{folder}: {len(frames)} frames but {len(boxes_xyxy)} boxes')
    if np.isnan(boxes_xyxy[0]).any():
        raise ValueError(f'{folder}: the target is hidden in the first frame')
    (folder / 'img').mkdir(parents=True, exist_ok=True)
    for index, frame in enumerate(frames):
        _write_image(folder / 'img' / f'{index + 1:05d}.jpg', frame, [cv2.IMWRITE_JPEG_QUALITY, 95])
    absent = np.isnan(boxes_xyxy).any(-1)
    lines = [
        ','.join('nan' if missing else f'{v:.3f}' for v in box)
        for box, missing in zip(xyxy_to_xywh(boxes_xyxy), absent, strict=True)
    ]
    (folder / 'groundtruth.txt').write_text('\n'.join(lines) + '\n')
    if absent.any():
        (folder / 'absence.label').write_text('\n'.join(str(int(flag)) for flag in absent) + '\n')
    return folder


def _write_image(path: Path, image: np.ndarray, options: Sequence[int] = ()) -> None:
    done, data = cv2.imencode(path.suffix, image, list(options))
    if not done:
        raise OSError(f'{path}: the image could not be written')
    with naming_full_disk(path):
        path.write_bytes(data.tobytes())


USAGE = """Render clips with moving objects, with exact boxes.

    usot render data --clips 8 --sequences 2

Unlabeled clips lie in OUT/clips, annotated sequences in OUT/sequences.
"""


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = tool_parser(USAGE)
    parser.add_argument('out', type=Path, help='folder to write to')
    parser.add_argument('--clips', type=int, default=8, help='unlabeled video files')
    parser.add_argument('--sequences', type=int, default=2, help='annotated test sequences')
    parser.add_argument('--frames', type=int, default=60)
    parser.add_argument(
        '--size', type=int, nargs=2, default=(320, 240), metavar=('WIDTH', 'HEIGHT')
    )
    parser.add_argument('--objects', type=int, default=1)
    parser.add_argument('--seed', type=int, default=0)
    return parser.parse_args(argv)


def write_collection(args: argparse.Namespace) -> None:
    """Render and write what the command line asks for."""
    size = (args.size[0], args.size[1])
    progress = ProgressLines(args.clips + args.sequences, 'clip')
    for number in range(args.clips):
        video, _ = render_clip(args.seed + number, args.frames, size, args.objects)
        print(write_clip(args.out / 'clips' / f'clip_{number:03d}.mp4', video))
        progress.advance()
    for number in range(args.sequences):
        # Test sequences share no footage with the clips, and start with a visible target.
        seed = args.seed + 1_000_000 + number * 1000
        video, boxes = next(
            pair
            for pair in (
                render_clip(seed + i, args.frames, size, args.objects) for i in range(1000)
            )
            if not np.isnan(pair[1][0, 0]).any()
        )
        print(write_sequence(args.out / 'sequences' / f'seq_{number:03d}', video, boxes[0]))
        progress.advance()
    progress.close()


def main(argv: Sequence[str] | None = None) -> int:
    """Write a small collection; returns the exit status."""
    args = parse_args(argv)
    return exit_status(lambda: write_collection(args), (ClipError,), args.out)


if __name__ == '__main__':
    raise SystemExit(main())
