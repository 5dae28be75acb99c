"""Pairs from single images of any kind and size, and hard negatives among them."""

from __future__ import annotations

import math
import pickle

import cv2
import numpy as np
import pytest
import torch

from usot_plugin.datasets import HardNegativePairs, NoSampleError, PseudoBoxDataset
from usot_plugin.datasets.frames.video_sources import VideoSourceError, find_images
from usot_plugin.testing.tables import pseudo_track, write_table_part

SINGLE = dict(type='WindowFrames', count=1, span=1, views=dict(template=[0], search=[0]))
PIPELINE = [
    dict(type='SiameseCrop', views=['template'], size=127),
    dict(type='SiameseCrop', views=['search'], size=239, shift_px=8),
    dict(type='ViewRotate', views=['template'], degrees=5),
    dict(type='PackSOTInputs', stacked=[]),
]
SIZES = {
    'a.jpg': (60, 80),
    'deep/er/b.png': (300, 200),
    'c.bmp': (5, 4),
    'd.png': (90, 90),
    'e.png': (70, 120),
    'f.png': (64, 64),
}


@pytest.fixture
def images(tmp_path):
    """Images of differing size; each has a grey value of its own, 40 times its place in the
    alphabet."""
    for number, (name, size) in enumerate(SIZES.items(), 1):
        path = tmp_path / 'images' / name
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), np.full((*size, 3), 40 * number, np.uint8))
    return tmp_path / 'images'


def pairs(folder, **kwargs) -> HardNegativePairs:
    options = dict(
        box_source='random',
        images=folder,
        frame_sampler=SINGLE,
        pipeline=PIPELINE,
        samples_per_epoch=200,
    )
    return HardNegativePairs(**{**options, **kwargs})


def grey(tensor: torch.Tensor) -> int:
    return round(tensor.float().mean().item() / 40)


def test_images_are_found_at_any_depth(images):
    (images / '.hidden.png').write_bytes(b'x')
    (images / 'masks').mkdir()
    (images / 'masks' / 'm.png').write_bytes(b'x')
    (images / 'notes.txt').write_text('x')
    assert list(find_images([images])) == [
        'a.jpg',
        'c.bmp',
        'd.png',
        'deep/er/b.png',
        'e.png',
        'f.png',
    ]
    assert list(find_images([images / 'a.jpg', images / 'deep'])) == ['a.jpg', 'deep/er/b.png']
    assert list(find_images([images / 'a.jpg'])) == ['a.jpg']


def test_names_outside_ascii_are_kept(tmp_path):
    cv2.imwrite(str(tmp_path / 'a.png'), np.zeros((9, 9, 3), np.uint8))
    (tmp_path / 'a.png').rename(tmp_path / 'Größe 猫.png')
    assert pairs(tmp_path, samples_per_epoch=1)[0]['data_samples'].clip == 'Größe 猫.png'


@pytest.mark.parametrize('what', ['nowhere', 'text', 'empty'])
def test_a_place_without_image_is_named(tmp_path, what):
    (tmp_path / 'text').write_text('x')
    (tmp_path / 'empty').mkdir()
    with pytest.raises(VideoSourceError, match=f'{what}: no '):
        find_images([tmp_path / what])


def test_images_of_any_size_give_pairs(images):
    dataset = pairs(images, samples_per_epoch=None)
    assert len(dataset) == dataset.track_count == 6
    for index in range(6):
        sample = dataset[index]
        assert sample['inputs']['template'].shape == (3, 127, 127) and sample['inputs'][
            'search'
        ].shape == (3, 239, 239)
        box = sample['data_samples'].search_box_xyxy
        assert torch.isfinite(box).all() and 80 < (box[0] + box[2]) / 2 < 160  # 4 pixels are few
        assert grey(sample['inputs']['template']) == grey(sample['inputs']['search'])
    assert {dataset[i]['data_samples'].clip for i in range(6)} == set(
        find_images([images])
    )  # each once an epoch


def test_random_regions_are_a_quarter_to_an_eighth(images):
    from usot_plugin.datasets import RandomBoxes

    source = RandomBoxes(images=images, share=(1 / 8, 1 / 4))
    boxes = np.stack(
        [
            source.find_box(np.zeros((80, 160, 3), np.uint8), np.random.default_rng(i))
            for i in range(200)
        ]
    )
    sizes = (boxes[:, 2:] - boxes[:, :2]) / (160, 80)
    assert 1 / 8 <= sizes.min() < 0.13 and 0.245 < sizes.max() <= 1 / 4


def test_broken_images_are_named_once_and_others_drawn(images):
    (images / 'broken.jpg').write_bytes(
        cv2.imencode('.jpg', np.zeros((50, 50, 3), np.uint8))[1].tobytes()[:30]
    )
    (images / 'empty.png').write_bytes(b'')
    (images / 'text.png').write_text('a letter')
    dataset = pairs(images, samples_per_epoch=60)
    assert {dataset[i]['data_samples'].clip for i in range(60)} == set(SIZES)
    named = sorted(text.rsplit('/', 1)[1] for text in dataset._reported)
    assert named == [
        f'{name}: not an image that OpenCV can decode'
        for name in ('broken.jpg', 'empty.png', 'text.png')
    ]


def test_a_folder_of_broken_images_ends_with_a_reason(tmp_path):
    (tmp_path / 'text.png').write_text('a letter')
    with pytest.raises(
        NoSampleError,
        match=r'21 clips in a row could not be used; the last: .*text\.png: not an image',
    ):
        pairs(tmp_path)[0]


def test_before_clusters_there_is_no_negative(images):
    dataset = pairs(images, negative_share=1.0)
    assert all(torch.isfinite(dataset[i]['data_samples'].search_box_xyxy).all() for i in range(20))


def test_negatives_come_from_the_same_cluster_and_another_image(images):
    dataset = pairs(images)
    names = [name.removesuffix('#0') for name in dataset.track_names()]
    clusters = np.array([0, 1, 0, 1, 2, -1])  # the fifth is alone, the sixth was not readable
    dataset.set_clusters(clusters)
    number = {name: place for place, name in enumerate(SIZES, 1)}
    negatives = 0
    for index in range(200):
        sample = dataset[index]
        template, search = (grey(sample['inputs'][view]) for view in ('template', 'search'))
        box = sample['data_samples'].search_box_xyxy
        if template == search:
            assert torch.isfinite(box).all()
            continue
        negatives += 1
        assert torch.isnan(box).all()
        assert torch.isfinite(sample['data_samples'].template_box_xyxy).all()
        ours, theirs = sample['data_samples'].clip.split(' against ')
        assert (number[ours], number[theirs]) == (template, search)
        assert clusters[names.index(ours)] == clusters[names.index(theirs)] >= 0
    assert negatives == pytest.approx(200 * 0.2 * 4 / 6, abs=12)


def test_a_sample_depends_on_seed_epoch_and_index_only(images):
    first, second = (
        pairs(images, negative_share=0.5),
        pickle.loads(pickle.dumps(pairs(images, negative_share=0.5))),
    )
    for dataset in (first, second):
        dataset.set_clusters(np.zeros(6))
        dataset.set_epoch(3)
    for index in (5, 0, 3):
        ours, theirs = first[index], second[index]
        assert torch.equal(ours['inputs']['search'], theirs['inputs']['search'])
        assert ours['data_samples'].clip == theirs['data_samples'].clip


def test_one_image_per_track_is_shown_for_clustering(images):
    (images / 'broken.jpg').write_text('x')
    shown = list(pairs(images).cluster_images(64))
    assert [None if image is None else grey(torch.from_numpy(image)) for image in shown] == [
        1,
        None,
        3,
        4,
        2,
        5,
        6,
    ]
    assert all(image is None or image.shape == (64, 64, 3) for image in shown)


def test_videos_serve_as_well(rendered):
    dataset = pairs(None, clips=rendered / 'clips', images=None, negative_share=1.0)
    assert torch.isfinite(dataset[0]['data_samples'].search_box_xyxy).all()
    dataset.set_clusters(np.zeros(4))
    assert all(torch.isnan(dataset[i]['data_samples'].search_box_xyxy).all() for i in range(4))
    discovered = pairs(None, box_source='discovered', table=rendered / 'table', images=None)
    assert len(list(discovered.cluster_images(32))) == 4


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(negative_share=1.2), 'negative_share is a probability'),
        (dict(frame_sampler=dict(type='WindowFrames', count=1, span=1)), "no view 'search'"),
        (dict(clips='x'), 'give clips or table or images'),
        (dict(box_source='salience'), 'box_source is one of'),
    ],
)
def test_wrong_options_are_refused(images, options, message):
    with pytest.raises(ValueError, match=message):
        pairs(images, **options)


def test_wrong_clusters_are_refused(images):
    with pytest.raises(ValueError, match='6 tracks need as many clusters'):
        pairs(images).set_clusters(np.zeros(5))


def test_supervised_pairs_are_two_frames_of_one_track(tmp_path, rendered):
    boxes = np.array([[10.0 + i, 20, 40 + i, 50] for i in range(20)])
    write_table_part(
        tmp_path / 'table', 'clip_0.mp4', rendered / 'clips' / 'clip_0.mp4', pseudo_track(boxes)
    )
    sampler = dict(type='WindowFrames', count=2, span=100, views=dict(template=[0], search=[1]))
    dataset = PseudoBoxDataset(table=tmp_path / 'table', frame_sampler=sampler)
    for index in range(4):
        views = dataset.prepare_data(index)['views']
        assert views['template'][0].frame_index < views['search'][0].frame_index
        assert not math.isnan(views['search'][0].box_xyxy.sum())
