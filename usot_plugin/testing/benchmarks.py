"""Tiny benchmarks in the layouts that their owners publish: small textured squares that move, with
exact boxes, for tests and self-checks.

Every writer returns the exact boxes of each sequence it wrote, ``{name: (T, 4) float64 xyxy,
0-based}``; nan where it says that the target is absent. Where a benchmark fixes the names of its
sequences, the data set is built with ``sequences=list(written)``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from usot_plugin.datasets.benchmarks.annotations import to_origin
from usot_plugin.datasets.benchmarks.sequence_lists import read_list
from usot_plugin.structures.regions import (
    BoxRegion,
    MaskRegion,
    PolygonRegion,
    Region,
    format_region,
)

from .media import moving_square_frames, write_frames

SIZE_WH = (64, 48)
SIDE_PX = 12
#: The second object moves above the first and never hides it.
SECOND_SIDE_PX = 8
#: Sequences of OTB whose folder holds frames behind the last one that counts.
OTB_TRAILING = {'David', 'Football1', 'Freeman3', 'Freeman4', 'Diving'}

Written = dict[str, np.ndarray]


def render(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two squares on a still ground.

    Returns:
        Frames ``(T, H, W, 3)`` uint8 BGR, boxes ``(T, 4)`` of the first and of the second square.
    """
    frames, first = moving_square_frames(count, SIZE_WH, SIDE_PX, step_px=2.0, seed=seed)
    others, second = moving_square_frames(
        count, SIZE_WH, SECOND_SIDE_PX, step_px=1.0, seed=seed + 1000
    )
    for frame, other, box in zip(frames, others, second, strict=True):
        x1, y1, x2, y2 = box.astype(int)
        frame[: y2 - y1, x1:x2] = other[y1:y2, x1:x2]
        box[[1, 3]] -= y1
    return frames, first, second


def _write_boxes(
    path: Path, boxes_xyxy: np.ndarray, origin: int, delimiter: str = ',', digits: int = 0
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savetxt(path, to_origin(boxes_xyxy, origin), fmt=f'%.{digits}f', delimiter=delimiter)


def _write_lines(path: Path, values: Sequence[object] | np.ndarray, separator: str = '\n') -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(separator.join(str(value) for value in values) + '\n', encoding='utf-8')


def write_otb(root: str | Path, names: Sequence[str] = ('Deer', 'Football1')) -> Written:
    """``<folder>/{img/%04d.jpg, groundtruth_rect[.K].txt}`` of OTB, 1-based; ``Jogging.1`` and
    ``Jogging.2`` share a folder."""
    rows = {row[0]: row for row in read_list('otb')}
    written = {}
    for seed, name in enumerate(names):
        first, last, skip = (int(value) for value in rows[name][1:4])
        folder, _, target = name.partition('.')
        frames, *boxes = render(last + 2 * (folder in OTB_TRAILING), seed if not target else 0)
        write_frames(
            Path(root, folder, 'img'), frames, '{:05d}.jpg' if folder == 'Board' else '{:04d}.jpg'
        )
        lines = boxes[int(target or 1) - 1][first - 1 : last]
        file = f'groundtruth_rect.{target}.txt' if target else 'groundtruth_rect.txt'
        _write_boxes(Path(root, folder, file), lines, origin=1, delimiter='\t' if seed % 2 else ',')
        written[name] = lines[skip:]
    return written


def write_lasot(
    root: str | Path, names: Sequence[str] = ('airplane-1', 'bear-2'), frames: int = 8
) -> Written:
    """``<category>/<name>/{img/%08d.jpg, groundtruth.txt, full_occlusion.txt, out_of_view.txt,
    nlp.txt}`` and ``att/<name>.txt``."""
    written = {}
    for seed, name in enumerate(names):
        folder = Path(root, name.split('-')[0], name)
        images, boxes, _ = render(frames, seed)
        write_frames(folder / 'img', images, '{:08d}.jpg')
        _write_boxes(folder / 'groundtruth.txt', boxes, origin=1)
        occluded = np.zeros(frames, int)
        outside = np.zeros(frames, int)
        occluded[3], outside[5] = 1, 1
        _write_lines(folder / 'full_occlusion.txt', occluded, ',')
        _write_lines(folder / 'out_of_view.txt', outside, ',')
        _write_lines(folder / 'nlp.txt', ['a square that moves'])
        _write_lines(Path(root, 'att', f'{name}.txt'), [1, 0, 0, 0, 1, *[0] * 9], ',')
        boxes[[3, 5]] = np.nan
        written[name] = boxes
    return written


def write_got10k(root: str | Path, subset: str = 'val', count: int = 2, frames: int = 8) -> Written:
    """``<subset>/{list.txt, <name>/{%08d.jpg, groundtruth.txt, absence.label, cover.label,
    cut_by_image.label, meta_info.ini}}``.

    Of ``test`` only the first box is there and no labels, as published.
    """
    written = {}
    for seed in range(count):
        name = f'GOT-10k_{subset.capitalize()}_{seed + 1:06d}'
        folder = Path(root, subset, name)
        images, boxes, _ = render(frames, seed)
        write_frames(folder, images, '{:08d}.jpg')
        if subset == 'test':
            boxes[1:] = np.nan
            _write_boxes(folder / 'groundtruth.txt', boxes[:1], origin=0, digits=4)
        else:
            absent = np.zeros(frames, int)
            cover = np.full(frames, 8)
            absent[4], cover[4], cover[5], cover[6] = 1, 0, 3, 0
            _write_boxes(folder / 'groundtruth.txt', boxes, origin=0, digits=4)
            _write_lines(folder / 'absence.label', absent)
            _write_lines(folder / 'cover.label', cover)
            _write_lines(
                folder / 'cut_by_image.label', [int(index == 1) for index in range(frames)]
            )
            fields = {
                'url': 'none',
                'object_class': 'square',
                'motion_class': 'sliding',
                'major_class': 'shape',
                'anno_fps': '10Hz',
            }
            _write_lines(
                folder / 'meta_info.ini',
                ['[METAINFO]', *(f'{key}: {value}' for key, value in fields.items())],
            )
            boxes[[4, 6]] = np.nan
        written[name] = boxes
    _write_lines(Path(root, subset, 'list.txt'), list(written))
    return written


def write_trackingnet(
    root: str | Path,
    subset: str = 'TEST',
    names: Sequence[str] = ('-A_1', 'bc_0'),
    frames: int = 12,
) -> Written:
    """``<subset>/{frames/<name>/%d.jpg, anno/<name>.txt}``, frames from 0; of ``TEST`` only the
    first box is there, as published."""
    written = {}
    for seed, name in enumerate(names):
        images, boxes, _ = render(frames, seed)
        write_frames(Path(root, subset, 'frames', name), images, '{:d}.jpg', first=0)
        if subset == 'TEST':
            boxes[1:] = np.nan
        _write_boxes(
            Path(root, subset, 'anno', f'{name}.txt'),
            boxes[: 1 if subset == 'TEST' else None],
            origin=0,
            digits=2,
        )
        written[name] = boxes
    return written


def write_uav123(
    root: str | Path, names: Sequence[str] = ('uav6',), subset: str = 'UAV123'
) -> Written:
    """``{data_seq/UAV123/<folder>/%06d.jpg, anno/<subset>/<name>.txt,
    anno/<subset>/att/<name>.txt}``, 1-based, with a nan line."""
    rows = {row[0]: row for row in read_list(subset.lower())}
    written = {}
    for seed, name in enumerate(names):
        folder = rows[name][1]
        first = int(rows[name][2])
        last = int(rows[name][3])
        frames, boxes, _ = render(last, seed)
        write_frames(Path(root, 'data_seq', 'UAV123', folder), frames, '{:06d}.jpg')
        boxes = boxes[first - 1 :]
        boxes[7] = np.nan
        _write_boxes(Path(root, 'anno', subset, f'{name}.txt'), boxes, origin=1)
        _write_lines(Path(root, 'anno', subset, 'att', f'{name}.txt'), [1, 0, 1, *[0] * 8, 1], ',')
        written[name] = boxes
    return written


def write_nfs(
    root: str | Path, names: Sequence[str] = ('car_jumping', 'Skiing_red'), frames: int = 5
) -> Written:
    """``<name>/{30,240}/{<name>/%05d.jpg, <name>.txt}``; ``frames`` at 30 per second, eight times
    as many at 240.

    The returned boxes are those at 240 frames per second; every eighth is that of a frame at 30.
    The annotation of both is at 240.
    """
    written = {}
    for seed, name in enumerate(names):
        images, boxes, _ = render(8 * frames, seed)
        lost = np.zeros(len(boxes), int)
        lost[[8, 9]] = 1
        lines = [
            f'0 {" ".join(f"{value:.0f}" for value in box)} {index} {gone} {int(index == 16)} '
            f'{int(index % 8 > 0)} "{name}"'
            for index, (box, gone) in enumerate(zip(boxes, lost, strict=True), 1)
        ]
        for fps in (30, 240):
            folder = Path(root, name, str(fps))
            write_frames(folder / name, images[:: 240 // fps], '{:05d}.jpg')
            _write_lines(folder / f'{name}.txt', lines)
        boxes[lost > 0] = np.nan
        written[name] = boxes
    return written


def write_tcolor128(
    root: str | Path, names: Sequence[str] = ('Deer', 'Yo-yos_ce1'), frames: int = 9, first: int = 3
) -> Written:
    """``<name>/{img/%04d.jpg, <name>_gt.txt, <name>_frames.txt, <name>_att.txt}``, 1-based; frames
    before ``first`` do not count."""
    written = {}
    for seed, name in enumerate(names):
        folder = Path(root, name)
        images, boxes, _ = render(frames, seed)
        write_frames(folder / 'img', images, '{:04d}.jpg')
        boxes = boxes[first - 1 :]
        _write_boxes(folder / f'{name}_gt.txt', boxes, origin=1)
        _write_lines(folder / f'{name}_frames.txt', [f'{first},{frames}'])
        _write_lines(folder / f'{name}_att.txt', ['IV', 'SV'], ',')
        written[name] = boxes
    return written


def write_vot(
    root: str | Path,
    names: Sequence[str] = ('bag', 'ball1'),
    frames: int = 12,
    regions: str = 'box',
    anchors: Mapping[int, int] | None = None,
    color_folder: bool = False,
) -> Written:
    """``list.txt`` and ``<name>/{groundtruth.txt, %08d.jpg or color/%08d.jpg and sequence, *.tag[,
    anchor.value]}``.

    Args:
        root: The workspace's ``sequences`` folder.
        names: Sequences.
        frames: Number of frames of each.
        regions: 'box', 'polygon' (of the same corners) or 'mask' (of the same pixels).
        anchors: Value of ``anchor.value`` at some frames, such as ``{0: 1, 11: -1}``; None writes
            no file.
        color_folder: The layout since VOT2018: frames in ``color/`` and a ``sequence`` file.
    """
    written = {}
    for seed, name in enumerate(names):
        folder = Path(root, name)
        images, boxes, _ = render(frames, seed)
        write_frames(folder / 'color' if color_folder else folder, images, '{:08d}.jpg')
        if color_folder:
            _write_lines(
                folder / 'sequence',
                ['channels.color=color/%08d.jpg', 'format=default', 'fps=30', f'name={name}'],
            )
        _write_lines(
            folder / 'groundtruth.txt', [format_region(_region(box, regions)) for box in boxes]
        )
        for tag, where in {
            'camera_motion': [1, 2],
            'occlusion': [3],
            'motion_change': [],
            'size_change': [],
            'illum_change': [],
        }.items():
            _write_lines(folder / f'{tag}.tag', [int(index in where) for index in range(frames)])
        if anchors is not None:
            _write_lines(
                folder / 'anchor.value', [anchors.get(index, 0) for index in range(frames)]
            )
        written[name] = boxes
    _write_lines(Path(root, 'list.txt'), list(written))
    return written


def _region(box_xyxy: np.ndarray, kind: str) -> Region:
    x1, y1, x2, y2 = box_xyxy
    if kind == 'polygon':
        return PolygonRegion(np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2]]))
    if kind == 'mask':
        return MaskRegion(np.ones((int(y2 - y1), int(x2 - x1)), bool), int(x1), int(y1))
    return BoxRegion(box_xyxy)


def write_davis(
    root: str | Path,
    names: Sequence[str] = ('blackswan', 'bmx-trees'),
    frames: int = 6,
    year: int = 2017,
) -> Written:
    """``{JPEGImages,Annotations}/480p/<name>/%05d.{jpg,png}`` and ``ImageSets/<year>/val.txt``; the
    masks are palette images.

    The second object is label 2. It is not in frame 2, and a pixel of frame 0 is void (255). The
    returned boxes are those of label 1; where ``year`` is 2016, objects count as one, whose boxes
    hold both.
    """
    written = {}
    palette = [
        value
        for index in range(256)
        for value in (index * 37 % 256, index * 91 % 256, index * 151 % 256)
    ]
    for seed, name in enumerate(names):
        images, first, second = render(frames, seed)
        write_frames(Path(root, 'JPEGImages', '480p', name), images, '{:05d}.jpg', first=0)
        folder = Path(root, 'Annotations', '480p', name)
        folder.mkdir(parents=True)
        for index in range(frames):
            labels = np.zeros(SIZE_WH[::-1], np.uint8)
            for label, (x1, y1, x2, y2) in (
                (2, second[index].astype(int)),
                (1, first[index].astype(int)),
            ):
                if (label, index) != (2, 2):
                    labels[y1:y2, x1:x2] = label
            labels[-1, -1] = 255 if index == 0 else 0
            image = Image.fromarray(labels, mode='P')
            image.putpalette(palette)
            image.save(folder / f'{index:05d}.png')
        present = np.arange(frames) != 2
        union = np.concatenate(
            [np.minimum(first, second)[:, :2], np.maximum(first, second)[:, 2:]], 1
        )
        written[name] = np.where(present[:, None], union, first) if year == 2016 else first
    _write_lines(Path(root, 'ImageSets', str(year), 'val.txt'), list(written))
    return written
