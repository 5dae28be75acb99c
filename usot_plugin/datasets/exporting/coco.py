"""COCO video JSON: MMTracking's CocoVID, and the form of TAO and YouTube-VIS."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from ...structures.boxes import xyxy_to_xywh
from .selection import DECIMALS, ExportClip, ExportTrack


class CocoVideoExporter:
    """Collects clips for one JSON file.

    Every frame is listed, with or without a box, so that ``frame_id`` has no gaps.

    Args:
        out: The file (a temporary name of it).
        info: What the boxes come from; goes under ``info``.
    """

    folder = False

    def __init__(self, out: Path, info: dict[str, Any]) -> None:
        self.out = out
        self.content: dict[str, Any] = {
            'info': {'description': 'pseudo boxes of moving objects', **info},
            'videos': [],
            'images': [],
            'annotations': [],
            'categories': [{'id': 1, 'name': 'object'}],
        }
        self._tracks = 0

    def add(self, clip: ExportClip) -> None:
        """Add a clip.

        Raises:
            ClipError: Its folder of frames cannot be listed.
        """
        names = clip.image_names()
        video_id = len(self.content['videos']) + 1
        self.content['videos'].append(self.video(video_id, clip, names))
        first_image = len(self.content['images']) + 1
        for index, name in enumerate(names):
            self.content['images'].append(
                self.image(first_image + index, video_id, index, name, clip)
            )
        for track in clip.tracks:
            self._tracks += 1
            self.add_track(self._tracks, video_id, first_image, track)

    def add_track(self, track_id: int, video_id: int, first_image: int, track: ExportTrack) -> None:
        """Add the boxes of a track."""
        boxes_xywh = np.round(xyxy_to_xywh(track.boxes_xyxy), DECIMALS)
        for frame, box, picked in zip(
            track.frames.tolist(),
            boxes_xywh.tolist(),
            track.columns.picked[track.at].tolist(),
            strict=True,
        ):
            common = {
                'id': len(self.content['annotations']) + 1,
                'image_id': first_image + frame,
                'video_id': video_id,
                'category_id': 1,
                'bbox': box,
                'area': round(box[2] * box[3], DECIMALS),
                'iscrowd': 0,
            }
            self.content['annotations'].append({**common, **self.track_fields(track_id, picked)})

    def video(self, video_id: int, clip: ExportClip, names: list[str]) -> dict[str, Any]:
        """Entry of a video."""
        return {
            'id': video_id,
            'name': clip.name,
            'width': clip.size_wh[0],
            'height': clip.size_wh[1],
        }

    def image(
        self, image_id: int, video_id: int, index: int, name: str, clip: ExportClip
    ) -> dict[str, Any]:
        """Entry of a frame."""
        width, height = clip.size_wh
        return {
            'id': image_id,
            'video_id': video_id,
            'frame_id': index,
            'file_name': name,
            'width': width,
            'height': height,
        }

    def track_fields(self, track_id: int, picked: bool) -> dict[str, Any]:
        """What an annotation says of its track; ``generated`` marks boxes that were filled in
        between two others."""
        return {'instance_id': track_id, 'occluded': False, 'generated': not picked}

    def finish(self) -> None:
        """Write the file."""
        self.out.write_text(json.dumps(self.content, separators=(',', ':')), encoding='utf-8')


class TAOExporter(CocoVideoExporter):
    """The same in the form of TAO, whose videos also carry what YouTube-VIS lists of them."""

    def __init__(self, out: Path, info: dict[str, Any]) -> None:
        super().__init__(out, info)
        self.content.update(tracks=[], licenses=[])

    def video(self, video_id: int, clip: ExportClip, names: list[str]) -> dict[str, Any]:
        """Entry of a video."""
        unused = {
            'neg_category_ids': [],
            'not_exhaustive_category_ids': [],
            'metadata': {'fps': clip.fps},
        }
        return {
            **super().video(video_id, clip, names),
            **unused,
            'length': len(names),
            'file_names': names,
        }

    def image(
        self, image_id: int, video_id: int, index: int, name: str, clip: ExportClip
    ) -> dict[str, Any]:
        """Entry of a frame."""
        return {
            **super().image(image_id, video_id, index, name, clip),
            'frame_index': index,
            'video': clip.name,
        }

    def add_track(self, track_id: int, video_id: int, first_image: int, track: ExportTrack) -> None:
        """Add a track and its boxes."""
        self.content['tracks'].append({'id': track_id, 'category_id': 1, 'video_id': video_id})
        super().add_track(track_id, video_id, first_image, track)

    def track_fields(self, track_id: int, picked: bool) -> dict[str, Any]:
        """What an annotation says of its track."""
        return {'track_id': track_id, 'segmentation': []}
