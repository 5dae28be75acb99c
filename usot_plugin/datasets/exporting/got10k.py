"""The folder layout of GOT-10k's training part, readable by its toolkit, by MMTracking and by
everything that trains on GOT-10k."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ...structures.boxes import xyxy_to_xywh
from ...structures.clip import FolderClip
from ...utils.names import path_below, shown_name
from .selection import ExportClip, ExportTrack, complete_folders

#: Highest cover label: nothing of the object is hidden.
FULLY_VISIBLE = 8

JPEG_QUALITY = 95

#: First line of MMTracking's lists; its readers skip it.
LIST_HEAD = (
    'The format of each line in this txt is '
    '(video_path,annotation_path,start_frame_id,end_frame_id)'
)


class GOT10kExporter:
    """``train/<sequence>/{%08d.jpg, groundtruth.txt, *.label, meta_info.ini}``, ``train/list.txt``,
    and MMTracking's list of them.

    A sequence is one track, from its first exported frame to its last. A frame between them without
    a box is labelled absent. JPEG frames of a folder are linked to, other frames are encoded.

    Args:
        out: The folder (a temporary name of it).
        info: Not part of the format.
    """

    folder = True

    def __init__(self, out: Path, info: dict[str, Any]) -> None:
        self.train = out / 'train'
        self.train.mkdir(parents=True)
        self.lists = out / 'annotations'
        self._lengths: dict[str, int] = {}

    def add(self, clip: ExportClip) -> None:
        """Write the sequences of a clip.

        Raises:
            ClipError: A frame cannot be read.
        """
        names = {track.number: self._name(clip, track) for track in clip.tracks}
        with complete_folders([path_below(self.train, name, 'clip') for name in names.values()]):
            self._write_frames(clip, names)
            for track in clip.tracks:
                self._write_labels(self.train / names[track.number], clip, track)
        self._lengths.update({names[track.number]: _span(track) for track in clip.tracks})

    def _name(self, clip: ExportClip, track: ExportTrack) -> str:
        """A folder name that says which clip and track; different for different ones."""
        slug = re.sub(r'[^\w.-]+', '_', clip.name)
        name = slug if len(clip.tracks) == 1 else f'{slug}_{track.number:02d}'
        copies = 1
        while (self.train / name).exists():
            copies += 1
            name = f'{slug}_{track.number:02d}_{copies}'
        return name

    def _write_frames(self, clip: ExportClip, names: dict[int, str]) -> None:
        opened = clip.open()
        start = min(int(t.frames[0]) for t in clip.tracks)
        stop = max(int(t.frames[-1]) for t in clip.tracks) + 1
        if isinstance(opened, FolderClip) and all(
            file.suffix.lower() in ('.jpg', '.jpeg') for file in opened.files
        ):
            for index in range(start, stop):
                for file in self._targets(clip, names, index):
                    file.symlink_to(opened.files[index].resolve())
            return
        for index, frame in opened.iter_frames(start, stop):
            data = cv2.imencode('.jpg', frame, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1]
            for file in self._targets(clip, names, index):
                file.write_bytes(data.tobytes())

    def _targets(self, clip: ExportClip, names: dict[int, str], index: int) -> list[Path]:
        """Where frame ``index`` of the clip goes; frames of a sequence are counted from 1."""
        inside = [track for track in clip.tracks if track.frames[0] <= index <= track.frames[-1]]
        return [
            self.train / names[track.number] / f'{index - int(track.frames[0]) + 1:08d}.jpg'
            for track in inside
        ]

    def _write_labels(self, folder: Path, clip: ExportClip, track: ExportTrack) -> None:
        length = _span(track)
        at = track.frames - track.frames[0]
        boxes = np.zeros((length, 4))
        boxes[at] = xyxy_to_xywh(track.boxes_xyxy)
        absent = np.ones(length, int)
        absent[at] = 0
        np.savetxt(folder / 'groundtruth.txt', boxes, fmt='%.4f', delimiter=',')
        np.savetxt(folder / 'absence.label', absent, fmt='%d')
        np.savetxt(folder / 'cover.label', np.where(absent, 0, FULLY_VISIBLE), fmt='%d')
        np.savetxt(folder / 'cut_by_image.label', np.zeros(length), fmt='%d')
        values = {
            'url': shown_name(clip.name),
            'begin': int(track.frames[0]),
            'end': int(track.frames[-1]),
            'anno_fps': f'{clip.fps:g}Hz',
            'object_class': 'object',
            'motion_class': 'unknown',
            'major_class': 'unknown',
            'root_class': 'unknown',
            'motion_adverb': 'unknown',
            'resolution': clip.size_wh,
        }
        lines = ['[METAINFO]', *(f'{key}: {value}' for key, value in values.items())]
        # The toolkit reads this file with ConfigParser, for which % begins a reference.
        (folder / 'meta_info.ini').write_text(
            '\n'.join(lines).replace('%', '%%') + '\n', encoding='utf-8'
        )

    def finish(self) -> None:
        """Write the lists."""
        names = sorted(self._lengths)
        (self.train / 'list.txt').write_text('\n'.join(names) + '\n', encoding='utf-8')
        self.lists.mkdir()
        lines = [
            LIST_HEAD,
            *(
                f'train/{name},train/{name}/groundtruth.txt,1,{self._lengths[name]}'
                for name in names
            ),
        ]
        (self.lists / 'got10k_train_infos.txt').write_text('\n'.join(lines), encoding='utf-8')


def _span(track: ExportTrack) -> int:
    return int(track.frames[-1] - track.frames[0]) + 1
