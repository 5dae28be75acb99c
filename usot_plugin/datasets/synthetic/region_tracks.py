"""Regions of unlabeled clips that were followed by the motion of their points: real pairs with
boxes that nobody drew.

    usot follow CLIPS... --out TRACKS.npz

``CompositeDataset(tracks=...)`` reads the file. Regions are followed in the frames that it keeps of
each clip, so ``--longer-px`` and ``--max-frames`` have to be the same for both.
"""

from __future__ import annotations

import argparse
import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ...structures.clip import ClipError
from ...utils.atomic import whole_file
from ...utils.cli import exit_status, tool_parser
from ...utils.progress import with_progress
from ..frames.clip_bank import LONGER_PX, MAX_FRAMES, ClipBank

#: Smallest side of a followed region, pixels.
MIN_REGION_PX = 14
#: Corner points along each side of a region that carry its motion.
POINTS = 9


@dataclass(frozen=True)
class RegionTrack:
    """Boxes ``(T, 4)`` of a region in consecutive frames, ``x1, y1, x2, y2``."""

    first_frame: int
    boxes_xyxy: np.ndarray


def follow_region(
    frames: np.ndarray, first: int, box_xyxy: np.ndarray, longest: int = 40
) -> RegionTrack | None:
    """Follow a region by the motion of its points, there and back.

    Points on a grid are tracked by pyramidal Lucas-Kanade, those that do not return are dropped,
    and a robust similarity of the rest moves and scales the box. It ends where under half of the
    points agree, the region leaves the frame, or it no longer looks as it did.

    Args:
        frames: ``(T, H, W, 3)`` uint8.
        first: Frame of the box.
        box_xyxy: ``(4,)``.
        longest: Frames it is followed at most.

    Returns:
        None where it is lost within four frames, or where the way back does not end on the box.
    """
    there = _one_way(frames, first, box_xyxy, min(len(frames), first + longest), 1)
    while len(there) > 4:
        back = _one_way(frames, first + len(there) - 1, there[-1], first - 1, -1)
        if len(back) == len(there) and _overlap(back[-1], box_xyxy) > 0.7:
            return RegionTrack(first, np.stack(there))
        there = there[: len(there) // 2]
    return None


def _one_way(
    frames: np.ndarray, first: int, box: np.ndarray, stop: int, step: int
) -> list[np.ndarray]:
    height, width = frames.shape[1:3]
    boxes = [np.asarray(box, float)]
    before = cv2.cvtColor(frames[first], cv2.COLOR_BGR2GRAY)
    look = _patch(before, boxes[0])
    for index in range(first + step, stop, step):
        after = cv2.cvtColor(frames[index], cv2.COLOR_BGR2GRAY)
        x1, y1, x2, y2 = boxes[-1]
        grid = np.stack(
            np.meshgrid(
                np.linspace(x1, x2, POINTS + 2)[1:-1], np.linspace(y1, y2, POINTS + 2)[1:-1]
            ),
            -1,
        )
        points = grid.reshape(-1, 1, 2).astype(np.float32)
        moved, ok = _moved(before, after, points)
        returned, ok_back = _moved(after, before, moved)
        good = (ok[:, 0] > 0) & (ok_back[:, 0] > 0) & (np.abs(returned - points).max((1, 2)) < 0.8)
        if good.sum() < len(good) / 2:
            break
        matrix, inliers = cv2.estimateAffinePartial2D(
            points[good], moved[good], ransacReprojThreshold=1.5
        )
        if matrix is None or inliers.sum() < len(good) / 3:
            break
        scale = float(np.hypot(matrix[0, 0], matrix[1, 0]))
        centre = matrix[:, :2] @ [(x1 + x2) / 2, (y1 + y2) / 2] + matrix[:, 2]
        half = np.array([x2 - x1, y2 - y1]) / 2 * scale
        new = np.concatenate([centre - half, centre + half])
        inside = min(new[2], width) - max(new[0], 0), min(new[3], height) - max(new[1], 0)
        if (
            min(half) * 2 < MIN_REGION_PX * 0.6
            or min(inside) <= 0
            or inside[0] * inside[1] < 0.8 * 4 * half[0] * half[1]
        ):
            break
        if float((look * _patch(after, new)).mean()) < 0.5:
            break
        boxes.append(new)
        before = after
    return boxes


def _moved(
    before: np.ndarray, after: np.ndarray, points: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    found: Any = cv2.calcOpticalFlowPyrLK(before, after, points, None, winSize=(15, 15), maxLevel=3)  # type: ignore[call-overload]
    return found[0], found[1]


def _patch(gray: np.ndarray, box: np.ndarray) -> np.ndarray:
    """A small picture of the box with mean 0 and variance 1, so that a mean product is a
    correlation."""
    scale = 24 / np.maximum(box[2:] - box[:2], 1e-3)
    matrix = np.array([[scale[0], 0, -box[0] * scale[0]], [0, scale[1], -box[1] * scale[1]]])
    patch = cv2.warpAffine(gray, matrix, (24, 24), borderMode=cv2.BORDER_REPLICATE).astype(
        np.float32
    )
    return (patch - patch.mean()) / (patch.std() + 1e-3)


def _overlap(a: np.ndarray, b: np.ndarray) -> float:
    wh = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    inter = float(max(wh[0], 0) * max(wh[1], 0))
    return inter / (np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - inter)


def random_region(
    rng: np.random.Generator, frame: np.ndarray, share: tuple[float, float] = (0.06, 0.6)
) -> np.ndarray:
    """A region with some structure, ``(4,)``: its mean side is log-uniform between shares of the
    frame's shorter side."""
    height, width = frame.shape[:2]
    box = np.zeros(4)
    for _ in range(5):
        side = max(MIN_REGION_PX, min(width, height) * np.exp(rng.uniform(*np.log(share))))
        aspect = np.exp(np.clip(rng.normal(0, 0.4), -1.0, 1.0))
        wh = np.minimum(
            [side * np.sqrt(aspect), side / np.sqrt(aspect)], [width * 0.9, height * 0.9]
        )
        corner = rng.uniform(0, 1, 2) * ([width, height] - wh)
        box = np.concatenate([corner, corner + wh])
        x1, y1, x2, y2 = box.astype(int)
        if frame[y1 : y2 + 1 : 2, x1 : x2 + 1 : 2, 1].std() > 10:
            break
    return box


def moving_regions(frames: np.ndarray, index: int, gap: int = 2) -> list[np.ndarray]:
    """Boxes of what moves otherwise than the picture as a whole between two frames: flow minus its
    best affine motion, in blobs."""
    later = min(index + gap, len(frames) - 1)
    if later == index:
        return []
    scale = 200 / max(frames.shape[1:3])
    small = [
        cv2.resize(cv2.cvtColor(frames[i], cv2.COLOR_BGR2GRAY), None, fx=scale, fy=scale)
        for i in (index, later)
    ]
    dis: Any = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    flow = dis.calc(small[0], small[1], None)
    height, width = small[0].shape
    grid = np.stack(np.meshgrid(np.arange(width), np.arange(height)), -1).astype(np.float32)
    every = (slice(None, None, 6), slice(None, None, 6))
    matrix, _ = cv2.estimateAffine2D(
        grid[every].reshape(-1, 2), (grid + flow)[every].reshape(-1, 2), ransacReprojThreshold=0.7
    )
    if matrix is None:
        return []
    rest = np.linalg.norm(grid + flow - (grid @ matrix[:, :2].T + matrix[:, 2]), axis=-1)
    mask = (cv2.GaussianBlur(rest.astype(np.float32), (0, 0), 1.5) > 1.0).astype(np.uint8)
    count, _, stats, _ = cv2.connectedComponentsWithStats(mask)
    found = []
    for x, y, w, h, area in stats[1:count]:
        if (
            0.002 < area / mask.size < 0.3
            and area > 0.35 * w * h
            and min(w, h) / scale >= MIN_REGION_PX
        ):
            found.append(np.array([x, y, x + w, y + h]) / scale)
    return found


def find_region_tracks(
    rng: np.random.Generator, frames: np.ndarray, starts: int = 8, still: int = 4, moving: int = 4
) -> list[RegionTrack]:
    """Tracks of random regions and of what moves, begun in ``starts`` frames of a clip."""
    tracks = []
    for first in np.unique(np.linspace(0, max(0, len(frames) - 8), starts).astype(int)):
        boxes = [random_region(rng, frames[first], (0.08, 0.5)) for _ in range(still)]
        blobs = moving_regions(frames, int(first))
        boxes += [blobs[int(i)] for i in rng.permutation(len(blobs))[:moving]]
        tracks += [
            track for box in boxes if (track := follow_region(frames, int(first), box)) is not None
        ]
    return tracks


def write_tracks(path: str | Path, tracks: dict[str, list[RegionTrack]]) -> None:
    """Tracks of named clips as one ``.npz``, whole or not at all."""
    flat = [(name, track) for name, found in tracks.items() for track in found]
    content = io.BytesIO()
    np.savez_compressed(
        content,
        clip=np.array([name for name, _ in flat]),
        first=np.array([track.first_frame for _, track in flat]),
        length=np.array([len(track.boxes_xyxy) for _, track in flat]),
        boxes=np.concatenate([track.boxes_xyxy for _, track in flat] or [np.zeros((0, 4))]).astype(
            np.float32
        ),
    )
    with whole_file(path) as temporary:
        temporary.write_bytes(content.getbuffer())


def read_tracks(path: str | Path) -> dict[str, list[RegionTrack]]:
    """The inverse of :func:`write_tracks`.

    Raises:
        ValueError: The file is not of this form.
    """
    try:
        with np.load(path, allow_pickle=False) as data:
            boxes = data['boxes'].astype(float)
            ends = np.cumsum(data['length'])
            tracks: dict[str, list[RegionTrack]] = {}
            for name, first, length, end in zip(
                data['clip'], data['first'], data['length'], ends, strict=True
            ):
                tracks.setdefault(str(name), []).append(
                    RegionTrack(int(first), boxes[end - length : end])
                )
            return tracks
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise ValueError(f'{path}: no region tracks in it ({error})') from error


USAGE = """Follow random and moving regions of unlabeled clips, there and back.

    usot follow CLIPS... --out TRACKS.npz
"""


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = tool_parser(USAGE)
    parser.add_argument(
        'clips', nargs='+', help='video files, folders of frames, or folders of those'
    )
    parser.add_argument('--out', type=Path, required=True, help='file to write (.npz)')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument(
        '--longer-px',
        type=int,
        default=LONGER_PX,
        help='longer side of the frames (default: %(default)s)',
    )
    parser.add_argument(
        '--max-frames',
        type=int,
        default=MAX_FRAMES,
        help='frames of each clip (default: %(default)s)',
    )
    return parser.parse_args(argv)


def follow(args: argparse.Namespace) -> None:
    """Follow regions of all clips and write the file."""
    bank = ClipBank(args.clips, args.longer_px, args.max_frames)
    tracks = {}
    clips = zip(bank.names, bank.frames, strict=True)
    for number, (name, frames) in enumerate(with_progress(clips, len(bank), 'clip')):
        random = np.random.default_rng([args.seed, number])
        tracks[name] = find_region_tracks(random, frames)
    write_tracks(args.out, tracks)
    print(f'{sum(map(len, tracks.values()))} regions of {len(bank)} clips in {args.out}')


def main(argv: Sequence[str] | None = None) -> int:
    """Run; returns the exit status."""
    args = parse_args(argv)
    return exit_status(lambda: follow(args), (ClipError,), args.out)


if __name__ == '__main__':
    raise SystemExit(main())
