"""Training data in the COCO video form: CocoVID (MMTracking), TAO, and plain COCO, whose boxes
become tracks of one image."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..registry import DATASETS, TASK_UTILS
from ..structures.boxes import is_valid, xywh_to_xyxy
from ..structures.clip import read_image
from ..structures.crops import mean_color
from .benchmarks.annotations import AnnotationError, read_json
from .boxes.annotated_boxes import visible_runs
from .boxes.box_sources import BoxSource, ReadFrame
from .frames.frame_readers import FrameReader
from .pseudo_box_dataset import PseudoBoxDataset, without_source_keys
from .track import Track
from .transforms.view import View

#: Frames of the longest track: 46 hours at 60 frames/s. More is a damaged file, and an array for it
#: would fill the memory.
LONGEST_TRACK = 10_000_000


@dataclass(frozen=True)
class ImageTrack(Track):
    """A track whose frames are images that a list names.

    Attributes:
        files: ``(L,)`` bytes, path of each image below the image root; empty where the track has no
            box.
    """

    files: np.ndarray | None = None


@TASK_UTILS.register_module()
class CocoVideoBoxes(BoxSource):
    """Annotated boxes of a COCO video file: a track for each instance of each video.

    ``annotations`` say which instance they belong to by ``instance_id`` (CocoVID) or ``track_id``
    (TAO), ``images`` which frame they are by ``frame_id`` or ``frame_index``. In a file without
    ``videos`` each annotation is a track of one image. Boxes that are ``iscrowd``, ``ignore`` or
    ``occluded`` are left out, as MMTracking leaves them out of training.

    Args:
        annotation: The JSON file.
        longest_run: A passage of frames reaches at most this many frames to either side.

    Raises:
        AnnotationError: The file is missing, not of this form, or has no usable box.
    """

    fixed = True

    def __init__(self, annotation: str | Path, longest_run: int = 320) -> None:
        self.annotation, self.longest_run = Path(annotation), longest_run
        content = _read(self.annotation)
        names = {
            video['id']: str(video.get('name', video['id'])) for video in content.get('videos', ())
        }
        images = {image['id']: image for image in content['images']}
        groups: dict[Any, list[dict]] = defaultdict(list)
        for entry in content['annotations']:
            if not any(entry.get(flag) for flag in ('iscrowd', 'ignore', 'occluded')):
                groups[self._track_key(entry, images, bool(names))].append(entry)
        parts = [_track_arrays(group, images, self.annotation) for group in groups.values()]
        kept = [
            (key, part) for key, part in zip(groups, parts, strict=True) if is_valid(part[1]).any()
        ]
        if not kept:
            raise AnnotationError(self.annotation, 'no usable box in it')
        self._clips = np.array(
            [
                names.get(key[0], str(images.get(key[0], {}).get('file_name', '')))
                for key, _ in kept
            ],
            dtype=np.str_,
        )
        self._object_ids = np.array([key[1] for key, _ in kept], np.int64)
        self._first = np.array([part[0] for _, part in kept], np.int64)
        self._boxes = np.concatenate([part[1] for _, part in kept])
        self._files = np.concatenate([part[2] for _, part in kept])
        self._ends = np.cumsum([len(part[1]) for _, part in kept])
        self.sequence_quality = np.ones(len(kept), np.float32)
        self.corner_share = np.zeros(len(kept), np.float32)
        self.samplable = np.ones(len(kept), bool)

    def _track_key(self, entry: dict, images: dict, has_videos: bool) -> tuple[Any, int]:
        """Video and instance, or image and annotation, of an entry."""
        if entry.get('image_id') not in images:
            raise AnnotationError(
                self.annotation, f'annotation {entry.get("id")} belongs to no image of the file'
            )
        if not has_videos:
            return entry['image_id'], _whole(
                entry.get('id'), self.annotation, 'id of an annotation'
            )
        instance = entry.get('instance_id', entry.get('track_id'))
        if instance is None:
            raise AnnotationError(
                self.annotation,
                f'annotation {entry.get("id")} has neither instance_id nor track_id',
            )
        return images[entry['image_id']].get('video_id'), _whole(
            instance, self.annotation, f'instance of annotation {entry.get("id")}'
        )

    def __len__(self) -> int:
        return len(self._ends)

    def clip_names(self) -> list[str]:
        return self._clips.tolist()

    def track(self, row: int) -> ImageTrack:
        part = slice(self._ends[row - 1] if row else 0, self._ends[row])
        boxes, start = self._boxes[part], int(self._first[row])
        visible = is_valid(boxes)
        first, last = visible_runs(visible, self.longest_run)
        return ImageTrack(
            clip=str(self._clips[row]),
            path=str(self.annotation),
            object_id=int(self._object_ids[row]),
            first_frame=start,
            length=len(boxes),
            boxes_xyxy=boxes,
            frame_quality=visible.astype(np.float32),
            centrality=np.zeros(len(boxes), np.float32),
            fragment_first=first + np.int32(start),
            fragment_last=last + np.int32(start),
            files=self._files[part],
        )

    def boxes(
        self, track: Track, frames: Sequence[int], read: ReadFrame, rng: np.random.Generator
    ) -> np.ndarray:
        return np.stack([track.box(index) for index in frames])


def boxes_by_video(file: str | Path) -> dict[str, np.ndarray]:
    """All annotated boxes of a COCO video file, occluded ones too, for scoring.

    Args:
        file: CocoVID or TAO.

    Returns:
        For each video with a box, ``(K, T, 4)`` float32 xyxy of its ``K`` instances; ``T`` ends
        with the last listed frame, nan where an instance has no box.

    Raises:
        AnnotationError: The file cannot be read or is not of this form.
    """
    content = _read(Path(file))
    try:
        names = {video['id']: str(video['name']) for video in content.get('videos', ())}
        frames = {
            image['id']: int(image.get('frame_id', image.get('frame_index', 0)))
            for image in content['images']
        }
        lengths: dict[Any, int] = defaultdict(int)
        for image in content['images']:
            lengths[image['video_id']] = max(lengths[image['video_id']], frames[image['id']] + 1)
        if min(frames.values(), default=0) < 0 or max(lengths.values(), default=0) > LONGEST_TRACK:
            raise AnnotationError(file, 'impossible frame numbers')
        found: dict[Any, dict[Any, np.ndarray]] = defaultdict(dict)
        for entry in content['annotations']:
            video, instance = entry['video_id'], entry.get('instance_id', entry.get('track_id'))
            if instance not in found[video]:
                found[video][instance] = np.full((lengths[video], 4), np.nan, np.float32)
            found[video][instance][frames[entry['image_id']]] = xywh_to_xyxy(
                np.array(entry['bbox'], np.float64)
            )
        return {names[video]: np.stack(list(boxes.values())) for video, boxes in found.items()}
    except (KeyError, TypeError, ValueError, IndexError, OverflowError) as error:
        raise AnnotationError(
            file,
            f'a video, an image or an annotation is malformed ({type(error).__name__}: {error})',
        ) from error


class ListedImages(FrameReader):
    """The images that a track names.

    Args:
        root: Folder that the names are relative to.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)

    def complete(self, track: Track) -> Track:
        return track

    def frame(self, track: Track, index: int) -> np.ndarray:
        assert isinstance(track, ImageTrack) and track.files is not None
        return read_image(self.root / os.fsdecode(track.files[index - track.first_frame]), index)

    def view(self, track: Track, index: int, box_xyxy: np.ndarray) -> View:
        image = self.frame(track, index)
        return View(image, np.asarray(box_xyxy, np.float64), index, mean_color(image))


@DATASETS.register_module()
class CocoVIDDataset(PseudoBoxDataset):
    """Training groups from a COCO video file; what ``SOTImageNetVIDDataset`` and ``SOTCocoDataset``
    are in MMTracking.

    Args:
        annotation: The JSON file; see :class:`CocoVideoBoxes`.
        image_root: Folder that its file names are relative to.
        annotated: Whether its boxes are labels (True) or exported pseudo boxes (False);
            ``label_share`` of ``QuotaMixture`` asks for it.
        kwargs: ``frame_sampler``, ``pipeline``, ``samples_per_epoch`` ... of
            :class:`PseudoBoxDataset`, but for those that say where boxes and images come from.
    """

    def __init__(
        self,
        annotation: str | Path,
        image_root: str | Path,
        annotated: bool | None = None,
        **kwargs: Any,
    ) -> None:
        self.annotated = annotated
        super().__init__(
            box_source=dict(type='CocoVideoBoxes', annotation=str(annotation)),
            **without_source_keys(type(self), kwargs),
        )
        self._reader = ListedImages(image_root)


def _read(file: Path) -> dict[str, Any]:
    content = read_json(file)
    if not isinstance(content, dict) or not {'images', 'annotations'} <= content.keys():
        raise AnnotationError(file, 'a COCO file has images and annotations')
    for part, key in (('images', 'id'), ('annotations', 'image_id'), ('videos', 'id')):
        entries = content.get(part, [])
        if not isinstance(entries, list):
            raise AnnotationError(file, f'{part} is a {type(entries).__name__}, not a list')
        for index, entry in enumerate(entries):
            if not isinstance(entry, dict):
                raise AnnotationError(
                    file, f'{part}[{index}] is a {type(entry).__name__}, not an object'
                )
            if not isinstance(entry.get(key), int | str):
                raise AnnotationError(
                    file,
                    f'{part}[{index}]: {key} is a number or a name, got {entry.get(key)!r:.40}',
                )
            if part == 'images' and not isinstance(entry.get('video_id'), int | str | None):
                raise AnnotationError(
                    file,
                    f'{part}[{index}]: video_id is a number or a name, got '
                    f'{entry["video_id"]!r:.40}',
                )
    return content


def _whole(value: Any, file: Path, where: str) -> int:
    """A number out of the file as an int64.

    Raises:
        AnnotationError: It is none.
    """
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise AnnotationError(file, f'{where}: not a whole number ({error})') from error
    if abs(number) >= 1 << 63:
        raise AnnotationError(file, f'{where}: {number} is too large')
    return number


def _track_arrays(
    entries: list[dict], images: dict[Any, dict], file: Path
) -> tuple[int, np.ndarray, np.ndarray]:
    """First frame, boxes ``(L, 4)`` float32 xyxy and files ``(L,)`` of one track; nan and empty
    between its frames."""
    try:
        placed = {}
        for entry in entries:
            image = images[entry['image_id']]
            frame = _whole(
                image.get('frame_id', image.get('frame_index', 0)),
                file,
                f'frame_id of image {image["id"]}',
            )
            if frame in placed:
                raise AnnotationError(
                    file,
                    f'annotation {entry.get("id")} is the second of its instance in frame {frame}',
                )
            placed[frame] = (np.array(entry['bbox'], np.float64), os.fsencode(image['file_name']))
        first = min(placed)
        length = max(placed) - min(placed) + 1
        if first < 0 or length > LONGEST_TRACK:
            raise AnnotationError(
                file, f'a track from frame {first} to frame {max(placed)}: impossible frame numbers'
            )
        boxes = np.full((length, 4), np.nan, np.float32)
        files = np.zeros(length, f'S{max(len(name) for _, name in placed.values())}')
        for frame, (box_xywh, name) in placed.items():
            boxes[frame - first], files[frame - first] = xywh_to_xyxy(box_xywh), name
    except (KeyError, TypeError, ValueError, IndexError, OverflowError) as error:
        raise AnnotationError(
            file, f'an annotation or its image is malformed ({type(error).__name__}: {error})'
        ) from error
    return first, boxes, files
