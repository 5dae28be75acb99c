"""COCO video files as training data: CocoVID, TAO and plain COCO."""

from __future__ import annotations

import json

import numpy as np
import pytest

from usot_plugin.datasets import CocoVIDDataset, CocoVideoBoxes
from usot_plugin.datasets.benchmarks import AnnotationError
from usot_plugin.structures.boxes import xyxy_to_xywh
from usot_plugin.testing.media import moving_square_frames, write_frames

COUNT = 8


@pytest.fixture(scope='module')
def frames_and_boxes():
    return moving_square_frames(COUNT, (96, 72), 20)


def content(boxes, instance='instance_id', frame='frame_id') -> dict:
    """Two instances in one video; frame 3 lacks the first, which is occluded in frame 5."""
    images = [
        {
            'id': 10 + i,
            'video_id': 1,
            frame: i,
            'file_name': f'clip/{i:06d}.png',
            'width': 96,
            'height': 72,
        }
        for i in range(COUNT)
    ]
    annotations = []
    for number, shift in ((7, 0), (9, 2)):
        for i in range(COUNT):
            if number == 7 and i == 3:
                continue
            box = (xyxy_to_xywh(boxes[i]) + [shift, 0, 0, 0]).tolist()
            entry = {
                'id': len(annotations),
                'image_id': 10 + i,
                'video_id': 1,
                instance: number,
                'category_id': 1,
                'bbox': box,
            }
            annotations.append({**entry, 'occluded': number == 7 and i == 5})
    return {
        'videos': [{'id': 1, 'name': 'clip'}],
        'images': images,
        'annotations': annotations,
        'categories': [{'id': 1, 'name': 'x'}],
    }


@pytest.mark.parametrize(
    ('instance', 'frame'), [('instance_id', 'frame_id'), ('track_id', 'frame_index')]
)
def test_instances_become_tracks(tmp_path, frames_and_boxes, instance, frame):
    frames, boxes = frames_and_boxes
    write_frames(tmp_path / 'clip', frames, '{:06d}.png', first=0)
    (tmp_path / 'a.json').write_text(json.dumps(content(boxes, instance, frame)))
    source = CocoVideoBoxes(tmp_path / 'a.json')
    assert len(source) == 2
    track = source.track(0)
    assert (track.clip, track.object_id, track.first_frame, track.length) == ('clip', 7, 0, COUNT)
    assert track.usable_frames().tolist() == [0, 1, 2, 4, 6, 7]
    np.testing.assert_array_equal(
        track.boxes_xyxy[track.usable_frames()], boxes[track.usable_frames()]
    )
    assert track.fragment(1) == (0, 2) and track.fragment(4) == (4, 4)
    dataset = CocoVIDDataset(
        tmp_path / 'a.json', tmp_path, frame_sampler={'type': 'WindowFrames', 'count': 2, 'span': 4}
    )
    view = dataset[0]['views']['frames'][0]
    np.testing.assert_array_equal(view.image, frames[view.frame_index])


def test_plain_coco_boxes_are_tracks_of_one_image(tmp_path, frames_and_boxes):
    frames, boxes = frames_and_boxes
    write_frames(tmp_path / 'clip', frames, '{:06d}.png', first=0)
    plain = content(boxes)
    plain.pop('videos')
    plain['annotations'][0]['iscrowd'] = 1
    (tmp_path / 'a.json').write_text(json.dumps(plain))
    source = CocoVideoBoxes(tmp_path / 'a.json')
    assert len(source) == 2 * COUNT - 3  # one lacking, one occluded, one crowd
    assert source.track(0).length == 1 and source.track(0).clip == 'clip/000001.png'
    dataset = CocoVIDDataset(tmp_path / 'a.json', tmp_path)
    assert {len(dataset[i]['views']['template']) for i in range(4)} == {1}


@pytest.mark.parametrize(
    ('edit', 'message'),
    [
        (lambda c: c.pop('images'), 'a COCO file has images and annotations'),
        (lambda c: c['annotations'][0].update(image_id=99), 'annotation 0 belongs to no image'),
        (
            lambda c: c['annotations'][0].pop('instance_id'),
            'annotation 0 has neither instance_id nor track_id',
        ),
        (
            lambda c: c['annotations'][0].update(bbox=[1, 2]),
            'an annotation or its image is malformed',
        ),
        (
            lambda c: c['annotations'][1].update(image_id=10),
            'annotation 1 is the second of its instance in frame 0',
        ),
        (lambda c: [a.update(iscrowd=1) for a in c['annotations']], 'no usable box'),
    ],
)
def test_what_is_wrong_is_named(tmp_path, frames_and_boxes, edit, message):
    wrong = content(frames_and_boxes[1])
    edit(wrong)
    (tmp_path / 'a.json').write_text(json.dumps(wrong))
    with pytest.raises(AnnotationError, match=message):
        CocoVideoBoxes(tmp_path / 'a.json')


@pytest.mark.parametrize(
    ('part', 'entry', 'message'),
    [
        ('images', True, r'images\[0\] is a bool'),
        ('annotations', 1.5, r'annotations\[0\] is a float'),
        (
            'annotations',
            {'id': 1, 'image_id': 1, 'instance_id': float('inf'), 'bbox': [1, 2, 3, 4]},
            'not a whole number',
        ),
        (
            'annotations',
            {'id': 1, 'image_id': [], 'instance_id': 1, 'bbox': [1, 2, 3, 4]},
            'image_id is a number',
        ),
        (
            'annotations',
            {'id': 1, 'image_id': 1, 'instance_id': 1 << 70, 'bbox': [1, 2, 3, 4]},
            'too large',
        ),
        (
            'images',
            {'id': 1, 'file_name': 'a.jpg', 'frame_id': -1, 'video_id': 1},
            'impossible frame numbers',
        ),
    ],
)
def test_json_of_another_shape_is_named(tmp_path, part, entry, message):
    good = {
        'images': [{'id': 1, 'file_name': 'a.jpg', 'frame_id': 0, 'video_id': 1}],
        'videos': [{'id': 1, 'name': 'v'}],
        'annotations': [{'id': 1, 'image_id': 1, 'instance_id': 1, 'bbox': [1, 2, 3, 4]}],
    }
    (tmp_path / 'c.json').write_text(json.dumps({**good, part: [entry]}))
    with pytest.raises(AnnotationError, match=f'c.json: .*{message}'):
        CocoVideoBoxes(tmp_path / 'c.json')


def test_frames_that_would_fill_the_memory_and_endless_nesting_are_refused(tmp_path):
    images = [
        {'id': i, 'file_name': 'a.jpg', 'frame_id': i * 10**12, 'video_id': 1} for i in (0, 1)
    ]
    boxes = [{'id': i, 'image_id': i, 'instance_id': 1, 'bbox': [1, 2, 3, 4]} for i in (0, 1)]
    (tmp_path / 'c.json').write_text(
        json.dumps({'images': images, 'videos': [{'id': 1}], 'annotations': boxes})
    )
    with pytest.raises(AnnotationError, match='impossible frame numbers'):
        CocoVideoBoxes(tmp_path / 'c.json')
    (tmp_path / 'c.json').write_text('[' * 100_000)
    with pytest.raises(AnnotationError, match='nested too deep'):
        CocoVideoBoxes(tmp_path / 'c.json')
