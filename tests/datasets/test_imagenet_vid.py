"""ImageNet VID's XML files become the CocoVID file that CocoVIDDataset draws from; what cannot be
used is named."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from usot_plugin.datasets import CocoVIDDataset, CocoVideoBoxes
from usot_plugin.datasets.imagenet_vid import CLASSES
from usot_plugin.testing.media import moving_square_frames, write_frames
from usot_plugin.testing.tools import run_tool_main

ROOT = Path(__file__).parents[2]
TOOL = ROOT / 'tools/convert_imagenet_vid.py'
TRAIN = 'train/ILSVRC2015_VID_train_0000/ILSVRC2015_train_00000000'


def xml(objects: list[dict]) -> str:
    """An annotation as published, of a frame of 96x72."""
    parts = ['<annotation><folder>f</folder><filename>000000</filename>',
             '<source><database>ILSVRC_2015</database></source>',
             '<size><width>96</width><height>72</height></size>']  # fmt: skip
    for entry in objects:
        values = {'trackid': 0, 'name': 'n02958343', 'occluded': 0, 'generated': 0, **entry}
        sides = dict(zip(('xmax', 'xmin', 'ymax', 'ymin'), values.pop('box'), strict=True))
        box = ''.join(f'<{name}>{value}</{name}>' for name, value in sides.items())
        flags = ''.join(f'<{name}>{value}</{name}>' for name, value in values.items())
        parts.append(f'<object>{flags}<bndbox>{box}</bndbox></object>')
    return '\n'.join([*parts, '</annotation>'])


def write_snippet(root: Path, name: str, frames: dict[int, list[dict]], images: int) -> np.ndarray:
    """XML files of the frames named, and so many images from frame 0 on; returns the pictures."""
    pictures = moving_square_frames(images, (96, 72), 20)[0]
    write_frames(root / 'Data/VID' / name, pictures, '{:06d}.JPEG', first=0)
    folder = root / 'Annotations/VID' / name
    folder.mkdir(parents=True)
    for number, objects in frames.items():
        (folder / f'{number:06d}.xml').write_text(xml(objects))
    return pictures


@pytest.fixture
def vid(tmp_path) -> Path:
    """Two training snippets, the first with two tracks and an empty frame, and one of the
    validation set."""
    car, dog = dict(box=(30, 10, 25, 5)), dict(trackid=1, name='n02084071', box=(60, 40, 50, 20))
    frames = {0: [car, dog], 1: [{**car, 'occluded': 1}, {**dog, 'generated': 1}], 2: [], 3: [car]}
    write_snippet(tmp_path, TRAIN, frames, 4)
    write_snippet(
        tmp_path,
        'train/ILSVRC2015_VID_train_0001/ILSVRC2015_train_00139005',
        {0: [car], 1: [car]},
        2,
    )
    write_snippet(tmp_path, 'val/ILSVRC2015_val_00000000', {0: [dog]}, 1)
    return tmp_path


def convert(root: Path, *arguments: object) -> int:
    return run_tool_main(TOOL, root, '--quiet', *arguments)


def content(root: Path, split: str = 'train') -> dict:
    return json.loads((root / f'annotations/imagenet_vid_{split}.json').read_text())


def test_tracks_of_several_objects_are_trained_on(vid, capsys):
    assert convert(vid) == 0
    assert '2 snippets, 6 frames, 7 objects -> ' in capsys.readouterr().out
    # The path and the folder of the supervised configs.
    dataset = CocoVIDDataset(
        vid / 'annotations/imagenet_vid_train.json',
        vid / 'Data/VID',
        frame_sampler=dict(type='WindowFrames', count=1),
    )
    tracks = [dataset.source.track(row) for row in range(3)]
    assert [track.clip for track in tracks] == [
        TRAIN,
        TRAIN,
        'train/ILSVRC2015_VID_train_0001/ILSVRC2015_train_00139005',
    ]
    assert [track.usable_frames().tolist() for track in tracks] == [[0, 3], [0, 1], [0, 1]], (
        'occluded in frame 1'
    )
    assert tracks[0].box(3).tolist() == [10, 5, 30, 25] and tracks[1].box(0).tolist() == [
        40,
        20,
        60,
        50,
    ]
    view = dataset[0]['views']['frames'][0]
    assert view.image.shape == (72, 96, 3)


def test_flags_classes_and_identities_are_kept(vid):
    assert convert(vid) == 0
    found = content(vid)
    entries = {(entry['image_id'], entry['instance_id']): entry for entry in found['annotations']}
    assert len({entry['instance_id'] for entry in found['annotations']}) == 3, (
        'track 0 of two snippets are two objects'
    )
    assert entries[2, 1]['occluded'] is True and entries[2, 1]['generated'] is False
    assert entries[2, 2]['occluded'] is False and entries[2, 2]['generated'] is True
    names = {category['id']: category['name'] for category in found['categories']}
    assert (names[entries[1, 1]['category_id']], names[entries[1, 2]['category_id']]) == (
        'car',
        'dog',
    )
    assert len(CLASSES) == 30 == len(names) and names[1] == 'airplane' and names[30] == 'zebra'
    assert entries[1, 2]['bbox'] == [40, 20, 20, 30] and entries[1, 2]['area'] == 600
    assert [image['frame_id'] for image in found['images']] == [0, 1, 2, 3, 0, 1], (
        'a frame without an object is listed'
    )


def test_the_validation_set(vid):
    assert convert(vid, '--split', 'val') == 0
    assert [video['name'] for video in content(vid, 'val')['videos']] == [
        'val/ILSVRC2015_val_00000000'
    ]


def test_missing_frames_are_named_and_keep_their_distance(vid, capsys):
    (vid / 'Annotations/VID' / TRAIN / '000001.xml').unlink()
    (vid / 'Data/VID' / TRAIN / '000002.JPEG').unlink()
    assert convert(vid) == 1
    told = capsys.readouterr().err.splitlines()
    assert told == [
        f'left out: {TRAIN}: 1 of 4 frames have no image, the first is 000002',
        f'left out: {TRAIN}: 1 of 4 frames have no XML file, the first is 000001',
    ]
    assert CocoVideoBoxes(vid / 'annotations/imagenet_vid_train.json').track(
        0
    ).usable_frames().tolist() == [0, 3]


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        (xml([dict(box=(30, 10, 25, 5))])[:-20], 'no XML file ('),
        ('', 'no XML file ('),
        (xml([dict(box=(30, 'ten', 25, 5))]), "<bndbox/xmin> is no number ('ten')"),
        (
            xml([dict(box=(30, -10, 25, 5))]),
            "<bndbox/xmin> is no whole number of at least 0 ('-10')",
        ),
        (
            xml([dict(box=(30, 'inf', 25, 5))]),
            "<bndbox/xmin> is no whole number of at least 0 ('inf')",
        ),
        (
            xml([dict(box=(30, 10, 25, 5), name='n00000001')]),
            "'n00000001' is none of the 30 classes of ImageNet VID",
        ),
        (xml([dict(box=(30, 10, 25, 5))] * 2), 'track 0 is in it twice'),
        (xml([]).replace('width', 'breadth'), '<size/width> is no number (None)'),
        (
            xml([dict(box=(30, 10, 25, 5))]).replace('trackid', 'track'),
            '<trackid> is no number (None)',
        ),
    ],
)
def test_a_broken_file_is_named_and_the_others_are_converted(vid, capsys, text, message):
    file = vid / 'Annotations/VID' / TRAIN / '000003.xml'
    file.write_text(text)
    assert convert(vid) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f'left out: {file}: ') and message in line
    assert len(content(vid)['images']) == 5


def test_boxes_without_an_area_are_counted(vid, capsys):
    (vid / 'Annotations/VID' / TRAIN / '000003.xml').write_text(xml([dict(box=(10, 10, 25, 5))]))
    assert convert(vid) == 0
    assert '6 objects (1 boxes without an area left out)' in capsys.readouterr().out


def test_wrong_folders_are_one_line(tmp_path, vid, capsys):
    assert convert(tmp_path / 'gone') == 2
    assert 'train: no snippet of ImageNet VID in it' in capsys.readouterr().err
    (vid / 'Data/VID').rename(vid / 'Data/elsewhere')
    assert convert(vid) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert (
        line.endswith('Data/VID/train: no such folder of frames')
        and not (vid / 'annotations').exists()
    )
