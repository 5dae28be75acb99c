"""ImageNet VID as published, an XML file a frame, turned into the one CocoVID file that supervised
configs read.

A snippet is a folder of frames,
``Data/VID/train/ILSVRC2015_VID_train_0000/ILSVRC2015_train_00000000/000000.JPEG``, beside it
``Annotations/VID/...`` with an XML file for each. The result has the form that MMTracking's
converter gives it, but for its short list of frames for video detection.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from .benchmarks.annotations import AnnotationError

#: Classes by their WordNet number, in the order of the challenge; the first one is category 1.
CLASSES = {
    'n02691156': 'airplane',
    'n02419796': 'antelope',
    'n02131653': 'bear',
    'n02834778': 'bicycle',
    'n01503061': 'bird',
    'n02924116': 'bus',
    'n02958343': 'car',
    'n02402425': 'cattle',
    'n02084071': 'dog',
    'n02121808': 'domestic_cat',
    'n02503517': 'elephant',
    'n02118333': 'fox',
    'n02510455': 'giant_panda',
    'n02342885': 'hamster',
    'n02374451': 'horse',
    'n02129165': 'lion',
    'n01674464': 'lizard',
    'n02484322': 'monkey',
    'n03790512': 'motorcycle',
    'n02324045': 'rabbit',
    'n02509815': 'red_panda',
    'n02411705': 'sheep',
    'n01726692': 'snake',
    'n02355227': 'squirrel',
    'n02129604': 'tiger',
    'n04468005': 'train',
    'n01662784': 'turtle',
    'n04530566': 'watercraft',
    'n02062744': 'whale',
    'n02391049': 'zebra',
}
CATEGORY_IDS = {code: number for number, code in enumerate(CLASSES, 1)}
SPLITS = ('train', 'val')
IMAGE_SUFFIX = '.JPEG'


@dataclass(frozen=True)
class VIDObject:
    """One object in one frame.

    Attributes:
        track: Number of the object in its snippet.
        category_id: Its class, 1 to 30.
        box_xywh: Left, top, width and height in pixels, 0-based, as MMTracking reads the file
            (width = xmax - xmin).
        occluded: Partly hidden; training leaves it out.
        generated: The box was interpolated, not drawn.
    """

    track: int
    category_id: int
    box_xywh: tuple[float, float, float, float]
    occluded: bool
    generated: bool


@dataclass
class Conversion:
    """What became of one split.

    Attributes:
        content: The CocoVID file.
        empty_boxes: Boxes without an area, which were left out.
        problems: A line for each XML file that cannot be used, and for each snippet with frames
            that lack one of their two files.
    """

    content: dict[str, Any]
    empty_boxes: int = 0
    problems: list[str] = field(default_factory=list)


def read_frame(file: Path) -> tuple[tuple[int, int], list[VIDObject]]:
    """Size of a frame and the objects in it.

    Args:
        file: Its XML file.

    Returns:
        Width and height in pixels; the objects, one of each track.

    Raises:
        AnnotationError: The file cannot be read or is no annotation of ImageNet VID.
    """
    try:
        root = ElementTree.parse(file).getroot()
    except ElementTree.ParseError as error:
        raise AnnotationError(file, f'no XML file ({error})') from error
    except OSError as error:
        raise AnnotationError(file, f'cannot be read ({error.strerror})') from error
    width, height = (int(_number(root, f'size/{side}', file)) for side in ('width', 'height'))
    objects = [_read_object(node, file) for node in root.findall('object')]
    tracks = [entry.track for entry in objects]
    twice = [track for track in tracks if tracks.count(track) > 1]
    if twice:
        raise AnnotationError(file, f'track {twice[0]} is in it twice')
    return (width, height), objects


def _read_object(node: ElementTree.Element, file: Path) -> VIDObject:
    code = (node.findtext('name') or '').strip()
    if code not in CATEGORY_IDS:
        raise AnnotationError(
            file, f'{code!r} is none of the {len(CLASSES)} classes of ImageNet VID'
        )
    x1, y1, x2, y2 = (
        _number(node, f'bndbox/{side}', file) for side in ('xmin', 'ymin', 'xmax', 'ymax')
    )
    return VIDObject(
        track=int(_number(node, 'trackid', file)),
        category_id=CATEGORY_IDS[code],
        box_xywh=(x1, y1, x2 - x1, y2 - y1),
        occluded=_number(node, 'occluded', file) != 0,
        generated=_number(node, 'generated', file) != 0,
    )


def _number(node: ElementTree.Element, path: str, file: Path) -> float:
    text = node.findtext(path)
    try:
        value = float((text or '').strip())
    except ValueError as error:
        raise AnnotationError(file, f'<{path}> is no number ({text!r})') from error
    if value < 0 or value != value // 1:
        raise AnnotationError(file, f'<{path}> is no whole number of at least 0 ({text!r})')
    return value


def find_snippets(root: Path, split: str) -> list[Path]:
    """Annotation folders of the snippets of a split, sorted.

    Args:
        root: Folder that holds ``Annotations/`` and ``Data/``.
        split: One of :data:`SPLITS`.

    Raises:
        AnnotationError: There is none.
    """
    base = root / 'Annotations' / 'VID' / split
    # The snippets of the training set lie in four folders of their own, those of the validation set
    # side by side.
    found = sorted(
        {file.parent for pattern in ('*/*/*.xml', '*/*.xml') for file in base.glob(pattern)}
    )
    if not found:
        raise AnnotationError(base, 'no snippet of ImageNet VID in it (<snippet>/000000.xml)')
    if not (root / 'Data' / 'VID' / split).is_dir():
        raise AnnotationError(root / 'Data' / 'VID' / split, 'no such folder of frames')
    return found


def convert_vid(root: Path, snippets: Iterator[Path] | list[Path]) -> Conversion:
    """The CocoVID file of some snippets.

    A frame that lacks its XML file or its image is left out, and so is one whose XML file cannot be
    used; ``problems`` names them. ``frame_id`` is the number in the file name, so that frames keep
    their distance.

    Args:
        root: Folder that holds ``Annotations/`` and ``Data/``.
        snippets: Annotation folders below it, see :func:`find_snippets`.

    Returns:
        ``images`` are named below ``Data/VID``; an ``instance_id`` is one track of one snippet.
    """
    categories = [
        {'id': CATEGORY_IDS[code], 'name': name, 'encode_name': code}
        for code, name in CLASSES.items()
    ]
    content: dict[str, Any] = {
        'videos': [],
        'images': [],
        'annotations': [],
        'categories': categories,
    }
    result = Conversion(content)
    instances: dict[tuple[int, int], int] = {}
    for folder in snippets:
        video = {
            'id': len(content['videos']) + 1,
            'name': folder.relative_to(root / 'Annotations' / 'VID').as_posix(),
        }
        content['videos'].append(video)
        for frame in _paired_frames(root, folder, str(video['name']), result.problems):
            try:
                size, objects = read_frame(folder / f'{frame}.xml')
            except AnnotationError as error:
                result.problems.append(str(error))
                continue
            image = {
                'id': len(content['images']) + 1,
                'video_id': video['id'],
                'frame_id': int(frame),
            }
            content['images'].append(
                {
                    **image,
                    'file_name': f'{video["name"]}/{frame}{IMAGE_SUFFIX}',
                    'width': size[0],
                    'height': size[1],
                }
            )
            for entry in objects:
                if min(entry.box_xywh[2:]) <= 0:
                    result.empty_boxes += 1
                    continue
                instance = instances.setdefault(
                    (int(str(video['id'])), entry.track), len(instances) + 1
                )
                content['annotations'].append(
                    _annotation(len(content['annotations']) + 1, image, instance, entry)
                )
    return result


def _annotation(
    number: int, image: Mapping[str, Any], instance: int, entry: VIDObject
) -> dict[str, Any]:
    return {
        'id': number,
        'image_id': image['id'],
        'video_id': image['video_id'],
        'category_id': entry.category_id,
        'instance_id': instance,
        'bbox': list(entry.box_xywh),
        'area': entry.box_xywh[2] * entry.box_xywh[3],
        'iscrowd': False,
        'occluded': entry.occluded,
        'generated': entry.generated,
    }


def _paired_frames(root: Path, folder: Path, name: str, problems: list[str]) -> list[str]:
    """Stems of the frames of a snippet that have both files; the others are told."""
    annotated = {file.stem for file in folder.glob('*.xml')}
    images = {file.stem for file in (root / 'Data' / 'VID' / name).glob(f'*{IMAGE_SUFFIX}')}
    for stems, what in ((annotated - images, 'image'), (images - annotated, 'XML file')):
        if stems:
            problems.append(
                f'{name}: {len(stems)} of {len(annotated | images)} frames have no {what}, the '
                f'first is {min(stems)}'
            )
    unnumbered = sorted(
        stem for stem in annotated & images if not stem.isascii() or not stem.isdigit()
    )
    problems += [f'{name}/{stem}.xml: a frame is named by its number' for stem in unnumbered]
    return sorted((annotated & images) - set(unnumbered), key=int)
