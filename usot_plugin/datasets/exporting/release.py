"""The USOT release's own form: ``train.json`` and, when asked for, ``crop511``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ...discovery.quality import frame_quality
from ...structures.clip import Clip, FolderClip
from ...utils.names import path_below
from ..release_crops import crop_name, cut_crop
from .selection import DECIMALS, ExportClip, ExportTrack, complete_folders

#: Evaluated frames on each side that the release's second, unused reliability of a frame looks at.
LONG_RADIUS = 10


class ReleaseExporter:
    """Collects clips for a folder with ``train.json``.

    Args:
        out: The folder (a temporary name of it).
        info: ``discovery`` in it says how far apart evaluated frames are.
        crops: Also cut ``crop511/<video>/<frame>.<track>.x.jpg``, which the release trains on.
    """

    folder = True

    def __init__(self, out: Path, info: dict[str, Any], crops: bool = False) -> None:
        self.out, self.crops = out, crops
        self.out.mkdir(parents=True)
        self._gap = int(info.get('discovery', {}).get('frames', {}).get('eval_gap', 3))
        self._videos: dict[str, dict[str, Any]] = {}

    def add(self, clip: ExportClip) -> None:
        """Add a clip, and cut its crops.

        Raises:
            ClipError: Its frames cannot be read.
        """
        opened = clip.open() if self.crops or Path(clip.path).is_dir() else None
        numbers = _file_numbers(opened, clip.frame_count)
        if self.crops:
            assert opened is not None
            self._cut(opened, clip, numbers)
        self._videos[clip.name] = {
            f'{track.number:02d}': self._track(clip, track, numbers) for track in clip.tracks
        }

    def _track(self, clip: ExportClip, track: ExportTrack, numbers: np.ndarray) -> dict[str, Any]:
        columns, at = track.columns, track.at
        long_range = frame_quality(columns.evaluated, columns.picked, LONG_RADIUS * self._gap)[at]
        # T_l and T_u are places in the list of exported frames, not frames of the clip.
        first = np.searchsorted(track.frames, columns.fragment_first[at])
        last = np.searchsorted(track.frames, columns.fragment_last[at], side='right') - 1
        places = np.arange(len(at))
        table = zip(
            np.round(track.boxes_xyxy, DECIMALS).tolist(),
            np.round(columns.frame_quality[at].astype(float), 6).tolist(),
            np.round(long_range, 6).tolist(),
            np.minimum(first, places).tolist(),
            np.maximum(last, places).tolist(),
            np.round(columns.centrality[at].astype(float), 6).tolist(),
            strict=True,
        )
        frames: dict[str, Any] = {
            f'{numbers[frame]:06d}': [*box, *rest]
            for frame, (box, *rest) in zip(track.frames.tolist(), table, strict=True)
        }
        frames['meta'] = {
            # Two numbers that the table does not keep and that the release's loader does not read.
            'aver_vary': None,
            'bbox_found_freq': None,
            'base_path': clip.name,
            'bbox_picked_freq': round(columns.sequence_quality, 6),
            'corner_bbox_freq': round(columns.corner_share, 6),
            'frame_sz': list(clip.size_wh),
        }
        return frames

    def _cut(self, opened: Clip, clip: ExportClip, numbers: np.ndarray) -> None:
        folder = path_below(self.out / 'crop511', clip.name, 'clip')
        boxes = {
            (int(f), t.number): box
            for t in clip.tracks
            for f, box in zip(t.frames, t.boxes_xyxy, strict=True)
        }
        start = min(frame for frame, _ in boxes)
        stop = max(frame for frame, _ in boxes) + 1
        with complete_folders([folder]):
            for index, frame in opened.iter_frames(start, stop):
                for track in clip.tracks:
                    if (index, track.number) in boxes:
                        crop = cut_crop(frame, boxes[index, track.number])
                        file = folder / crop_name(int(numbers[index]), track.number)
                        file.write_bytes(cv2.imencode('.jpg', crop)[1].tobytes())

    def finish(self) -> None:
        """Write ``train.json``."""
        text = json.dumps(self._videos, sort_keys=True, separators=(',', ':'))
        (self.out / 'train.json').write_text(text, encoding='utf-8')


def _file_numbers(opened: Clip | None, frame_count: int) -> np.ndarray:
    """Number of each frame: that of its file where all files are named by six-digit numbers, its
    index otherwise."""
    if isinstance(opened, FolderClip):
        stems = [file.stem for file in opened.files]
        if all(stem.isdecimal() for stem in stems):
            numbers = np.array([int(stem) for stem in stems])
            if (np.diff(numbers) > 0).all() and numbers[-1] <= 999_999:
                return numbers
    return np.arange(frame_count if opened is None else opened.frame_count)
