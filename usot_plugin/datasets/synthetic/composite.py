"""Real surfaces moving over real video, with exact boxes: training sequences made from unlabeled
clips alone.

A piece of one clip is cut out along a random outline, goes on changing as that clip goes on, and
moves, turns, grows and stretches over another clip; other pieces pass in front of it or beside it.
The look is real, the motion and the box are known to the sub-pixel, which optical flow on the same
clips cannot give.

    usot compose CLIPS... --out DIR [--count 200] [--table TABLE]

writes ``DIR/<number>/{img/*.jpg, groundtruth.txt}``, which
``PseudoBoxDataset(box_source='annotated')`` trains on.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from usot_plugin.discovery.table.format import TableError
from usot_plugin.discovery.table.reading import read_table
from usot_plugin.structures.clip import ClipError, open_clip
from usot_plugin.utils.cli import exit_status, tool_parser
from usot_plugin.utils.progress import with_progress

from ..frames.video_sources import find_clips
from .clips import visible_boxes, write_sequence
from .scene import Body, draw_body, make_outline, smooth_path, sweep_path

#: Side of a surface in pixels.
SURFACE_PX = 128
#: Surfaces reach this far beyond the outline, in radii; see :class:`Body`.
SURFACE_REACH = 1.3


@dataclass(frozen=True)
class Motion:
    """How pieces move; every number is drawn anew for each piece.

    Attributes:
        radius: Least and largest radius, share of the frame's shorter side.
        speed_px: Least and largest mean speed along an axis, pixels per frame.
        scale_change: The size varies by factors up to ``exp(+-scale_change)``.
        aspect_change: The ratio of width to height varies by factors up to ``exp(+-2
            aspect_change)``.
        turn: Largest turn to each side, radians.
        pieces: Least and largest number of pieces; the first is the target, later ones are in front
            of it.
        twin_share: Share of the other pieces that wear the target's surface.
    """

    radius: tuple[float, float] = (0.06, 0.22)
    speed_px: tuple[float, float] = (1.0, 7.0)
    scale_change: float = 0.35
    aspect_change: float = 0.2
    turn: float = 0.4
    pieces: tuple[int, int] = (1, 3)
    twin_share: float = 0.25


def render_composite(
    rng: np.random.Generator,
    scene: np.ndarray,
    surfaces: Sequence[np.ndarray],
    motion: Motion | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Move pieces over a scene.

    Args:
        rng: All chance comes from it.
        scene: ``(T, H, W, 3)`` uint8 BGR frames.
        surfaces: Looks to choose from, each ``(T, S, S, 3)`` or ``(S, S, 3)`` uint8.
        motion: How the pieces move.

    Returns:
        ``(T, H, W, 3)`` uint8 and the boxes ``(T, 4)`` of the first piece: its whole outline cut at
        the frame, nan where it is covered.
    """
    motion = motion or Motion()
    frames, height, width = scene.shape[:3]
    pieces = int(rng.integers(motion.pieces[0], motion.pieces[1] + 1))
    target_surface = surfaces[int(rng.integers(len(surfaces)))]
    bodies = []
    for piece in range(pieces):
        twin = piece == 0 or rng.random() < motion.twin_share
        bodies.append(
            _piece(
                rng,
                frames,
                (width, height),
                target_surface if twin else surfaces[int(rng.integers(len(surfaces)))],
                motion,
            )
        )
    video = scene.copy()
    boxes = np.full((frames, 4), np.nan)
    for t in range(frames):
        silhouettes = [draw_body(video[t], body, t) for body in bodies]
        boxes[t] = visible_boxes(bodies, silhouettes, t, (width, height))[0]
    return video, boxes


def _piece(
    rng: np.random.Generator,
    frames: int,
    size_wh: tuple[int, int],
    surface: np.ndarray,
    motion: Motion,
) -> Body:
    radius = min(size_wh) * np.exp(rng.uniform(*np.log(motion.radius)))
    reach = np.array(size_wh) * rng.uniform(0.1, 0.45)
    centre = np.array(size_wh) * rng.uniform(0.35, 0.65, 2)
    return Body(
        outline=make_outline(rng, np.exp(rng.uniform(-0.9, 0.9))),
        texture=surface,
        center_xy=centre + sweep_path(rng, frames, reach, rng.uniform(*motion.speed_px)),
        radius_px=radius * np.exp(motion.scale_change * smooth_path(rng, frames, 50)),
        angle=motion.turn * smooth_path(rng, frames, 40),
        stretch=np.exp(motion.aspect_change * smooth_path(rng, frames, 45)),
    )


def read_scene(
    rng: np.random.Generator, path: str | Path, frames: int, longer_px: int
) -> np.ndarray:
    """A random passage of a clip, ``(frames, H, W, 3)``, at most ``longer_px`` large; a shorter
    clip is played back and forth.

    Raises:
        ClipError: A frame cannot be decoded.
    """
    clip = open_clip(path)
    available = min(frames, clip.frame_count)
    first = int(rng.integers(clip.frame_count - available + 1))
    scale = min(1.0, longer_px / max(clip.size_wh))
    width, height = (max(2, round(side * scale) // 2 * 2) for side in clip.size_wh)
    images = np.stack(
        [image for _, image in clip.iter_frames(first, first + available, (width, height))]
    )
    return images[_back_and_forth(available, frames)]


def _back_and_forth(count: int, frames: int) -> np.ndarray:
    """Indices ``(frames,)`` into ``count`` frames: 0 .. count-1 .. 0 .."""
    swing = np.concatenate([np.arange(count), np.arange(count - 2, 0, -1)])
    return swing[np.arange(frames) % len(swing)]


def cut_surface(frames: np.ndarray, boxes_xyxy: np.ndarray) -> np.ndarray:
    """The region around each box as a square surface, ``(T, S, S, 3)``; what lies outside the frame
    repeats its border."""
    surfaces = []
    for frame, box in zip(frames, boxes_xyxy, strict=True):
        centre = (box[:2] + box[2:]) / 2
        half = np.maximum((box[2:] - box[:2]) / 2, 4) * SURFACE_REACH
        scale = SURFACE_PX / (2 * half)
        matrix = np.array(
            [
                [scale[0], 0, SURFACE_PX / 2 - scale[0] * centre[0]],
                [0, scale[1], SURFACE_PX / 2 - scale[1] * centre[1]],
            ]
        )
        surfaces.append(
            cv2.warpAffine(
                frame,
                matrix,
                (SURFACE_PX, SURFACE_PX),
                flags=cv2.INTER_LINEAR,
                borderMode=cv2.BORDER_REFLECT,
            )
        )
    return np.stack(surfaces)


def _random_boxes(rng: np.random.Generator, frames: np.ndarray) -> np.ndarray:
    """One region that stays where it is, ``(T, 4)``."""
    size = np.array(frames.shape[2:0:-1], float)
    extent = size * rng.uniform(0.12, 0.5, 2)
    corner = rng.uniform(0, 1, 2) * (size - extent)
    return np.repeat(np.concatenate([corner, corner + extent])[None], len(frames), 0)


def render_sequence(
    rng: np.random.Generator,
    clips: Mapping[str, Path],
    tracks: Mapping[str, np.ndarray],
    frames: int,
    longer_px: int,
    motion: Motion,
) -> tuple[np.ndarray, np.ndarray]:
    """One sequence from randomly drawn clips; see :func:`render_composite`.

    The target is visible in the first frame.

    Args:
        rng: All chance comes from it.
        clips: Name -> path.
        tracks: Name of a clip -> ``(T, 4)`` boxes of what moves in it, where discovery found
            something; else a region that stays.
        frames: Length of the sequence.
        longer_px: Longer side of its frames.
        motion: How the pieces move.
    """
    names = sorted(clips)
    while True:
        scene_name, *surface_names = (names[int(i)] for i in rng.integers(len(names), size=4))
        scene = read_scene(rng, clips[scene_name], frames, longer_px)
        surfaces = [
            _surface(rng, clips[name], tracks.get(name), frames, longer_px)
            for name in surface_names
        ]
        video, boxes = render_composite(rng, scene, surfaces, motion)
        if not np.isnan(boxes[0]).any():
            return video, boxes


def _surface(
    rng: np.random.Generator, path: Path, track: np.ndarray | None, frames: int, longer_px: int
) -> np.ndarray:
    if track is None or rng.random() < 0.3:  # still pieces of scenery are looks, too
        piece = read_scene(rng, path, frames, longer_px)
        return cut_surface(piece, _random_boxes(rng, piece))
    available = min(frames, len(track))
    first = int(rng.integers(len(track) - available + 1))
    moving = np.stack([image for _, image in open_clip(path).iter_frames(first, first + available)])
    return cut_surface(moving, track[first : first + available])[_back_and_forth(available, frames)]


def discovered_tracks(table: str | Path) -> dict[str, np.ndarray]:
    """Boxes of the kept object of each clip in a pseudo-box table, from its first frame on: name ->
    ``(T, 4)``."""
    rows = read_table(table).kept()
    return {
        row.clip: row.track.boxes_xyxy
        for row in (rows[i] for i in range(len(rows)))
        if row.track and row.track.first_frame == 0
    }


USAGE = """Render training sequences with exact boxes from unlabeled clips.

    usot compose CLIPS... --out DIR --count 200 --table TABLE
"""


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = tool_parser(USAGE)
    parser.add_argument(
        'clips', nargs='+', help='video files, folders of frames, or folders of those'
    )
    parser.add_argument('--out', type=Path, required=True, help='folder to write to')
    parser.add_argument('--table', help='pseudo-box table: pieces are then cut from what moves')
    parser.add_argument('--count', type=int, default=200)
    parser.add_argument('--frames', type=int, default=40)
    parser.add_argument(
        '--longer-px',
        type=int,
        default=400,
        help='longer side of the frames (default: %(default)s)',
    )
    parser.add_argument('--seed', type=int, default=0)
    return parser.parse_args(argv)


def write_collection(args: argparse.Namespace) -> None:
    """Write the sequences; those that are there already are kept, so a killed run goes on."""
    clips = find_clips(args.clips)
    tracks = discovered_tracks(args.table) if args.table else {}
    for number in with_progress(range(args.count), args.count, 'sequence'):
        folder = args.out / f'{number:05d}'
        if not (folder / 'groundtruth.txt').exists():
            random = np.random.default_rng([args.seed, number])
            video, boxes = render_sequence(
                random, clips, tracks, args.frames, args.longer_px, Motion()
            )
            write_sequence(folder, video, boxes)
    print(f'{args.count} sequences of {args.frames} frames in {args.out}')


def main(argv: Sequence[str] | None = None) -> int:
    """Write a collection of sequences; returns the exit status."""
    args = parse_args(argv)
    return exit_status(lambda: write_collection(args), (ClipError, TableError), args.out)


if __name__ == '__main__':
    raise SystemExit(main())
