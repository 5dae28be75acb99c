"""The release's preprocessed data: boxes and crops agree with the frames that they come from; what
is wrong is named."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest

from tests.datasets.release_data import write_release
from usot_plugin.datasets import ReleaseBoxes, USOTCropDataset
from usot_plugin.datasets.benchmarks import AnnotationError
from usot_plugin.datasets.frames.crop_store import CropStoreError
from usot_plugin.datasets.pseudo_box_dataset import NoSampleError
from usot_plugin.datasets.release_crops import ReleaseCrops, box_in_crop, cut_crop
from usot_plugin.structures.clip import read_image
from usot_plugin.testing.media import moving_square_frames

PIPELINE = [
    {'type': 'SiameseCrop', 'views': ['template'], 'size': 127, 'shift_px': 4, 'scale': 0.05},
    {
        'type': 'SiameseCrop',
        'views': ['search', 'memory'],
        'size': 255,
        'shift_px': 64,
        'scale': 0.18,
    },
    {'type': 'PackSOTInputs'},
]


@pytest.fixture(scope='module')
def videos():
    return {
        f'train/GOT-10k_Train_{n:06d}': moving_square_frames(12, (160, 120), 30, seed=n)
        for n in (1, 2)
    }


@pytest.fixture(scope='module')
def release(videos, tmp_path_factory):
    return write_release(tmp_path_factory.mktemp('release'), videos, step=5)


def test_tracks_are_those_of_the_file(release, videos):
    source = ReleaseBoxes(release[0])
    assert len(source) == 2 and source.samplable.all()
    track = source.track(1)
    assert (
        track.clip == 'train/GOT-10k_Train_000002' and track.length == 12 and track.object_id == 0
    )
    np.testing.assert_array_equal(track.boxes_xyxy, videos[track.clip][1])
    np.testing.assert_array_equal(track.file_numbers, np.arange(12) * 5 + 1)
    assert track.fragment(0) == (0, 3) and track.fragment(11) == (8, 11)
    assert (
        track.frame_quality[4] == 0.75
        and track.centrality[4] == np.float32(0.15)
        and track.sequence_quality == np.float32(0.8)
    )
    again = pickle.loads(pickle.dumps(source)).track(0)
    np.testing.assert_array_equal(again.boxes_xyxy, videos[again.clip][1])


def test_box_in_crop_shows_the_pixels_of_the_box(release, videos):
    source, reader = ReleaseBoxes(release[0]), ReleaseCrops(release[1])
    track = source.track(0)
    frames = videos[track.clip][0]
    view = reader.view(track, 6, track.box(6))
    x1, y1, x2, y2 = view.box_xyxy
    # The release itself: the middle pixel, 127 px for the box with its context.
    assert [(x1 + x2) / 2, (y1 + y2) / 2] == pytest.approx([255, 255], abs=1.0)
    assert x2 - x1 == pytest.approx(
        127 / 2, abs=0.2
    )  # a square box and its context are twice as large as the box
    # The square's white border (255; the ground is below 160) lies just inside the box: the pixels
    # on both sides of both edges.
    left, top, right, bottom = videos[track.clip][1][6].astype(int)
    scale = (x2 - x1) / (right - left)
    for frame_column in (left - 2, left, right - 1, right + 1):
        column = x1 + (frame_column + 0.5 - left) * scale  # middle of that pixel in the crop
        row = y1 + (15.5 - 0) * scale
        expected = frames[6][top + 15, frame_column].astype(float)
        got = view.image[int(row), int(column)].astype(float)
        assert np.abs(got - expected).max() < 50  # interpolation and JPEG


def test_exported_crop_is_the_releases(release, videos):
    name, (frames, boxes) = next(iter(videos.items()))
    stored = read_image(release[1] / name / '000021.00.x.jpg').astype(float)
    assert np.abs(cut_crop(frames[4], boxes[4]) - stored).mean() < 2  # but for JPEG


def test_box_in_crop_closed_form():
    # A 40 x 40 box has a context square of 80; a crop of 511 shows 80 * 511 / 127 of the frame
    # between its first and last pixel's middle.
    box = np.array([100.0, 50, 140, 90])
    scale = 510 / (80 * 511 / 127)
    expected = 255.5 - 0.5 * scale + np.array([-20, -20, 20, 20]) * scale
    np.testing.assert_allclose(box_in_crop(box), expected)


@pytest.mark.parametrize('stage', ['naive', 'cycle'])
def test_groups_are_made(release, stage):
    dataset = USOTCropDataset(*release, pipeline=PIPELINE, stage=stage, samples_per_epoch=6)
    for index in range(6):
        sample = dataset[index]
        assert sample['inputs']['template'].shape == (3, 127, 127) and sample['inputs'][
            'search'
        ].shape == (3, 255, 255)
        assert ('memory' in sample['inputs']) == (stage == 'cycle')


def test_missing_crop_names_its_file(release, tmp_path, videos):
    root = tmp_path / 'part'
    annotation, crops = write_release(root, dict(list(videos.items())[:1]))
    for file in crops.rglob('*.jpg'):
        file.unlink()
    dataset = USOTCropDataset(annotation, crops, pipeline=PIPELINE, max_failures=1)
    with pytest.raises(
        NoSampleError, match=r'GOT-10k_Train_000001/0000\d\d.00.x.jpg, frame \d+: cannot be opened'
    ):
        dataset[0]


def test_other_places_are_refused(release):
    with pytest.raises(
        ValueError,
        match='USOTCropDataset brings its own boxes and images, so it takes no crop_store, table',
    ):
        USOTCropDataset(*release, crop_store='x', table='y')
    with pytest.raises(CropStoreError, match='nowhere: no such folder of crops'):
        USOTCropDataset(release[0], 'nowhere')


def change(release, tmp_path, edit):
    content = json.loads(release[0].read_text())
    edit(content)
    path = tmp_path / 'train.json'
    path.write_text(json.dumps(content))
    return path


FIRST, FRAME = 'train/GOT-10k_Train_000001', '00000001'


@pytest.mark.parametrize(
    ('edit', 'message'),
    [
        (
            lambda c: c[FIRST]['00'].pop('meta'),
            "000001, track 0: 'meta' needs the numbers bbox_picked_freq and corner_bbox_freq",
        ),
        (lambda c: c[FIRST]['00'][FRAME].pop(), r'every frame needs 9 numbers, got \[8, 9\]'),
        (
            lambda c: c[FIRST]['00'].update(first=c[FIRST]['00'].pop(FRAME)),
            'a frame is named by a number and holds numbers',
        ),
        (
            lambda c: c[FIRST]['00'][FRAME].__setitem__(7, 12),
            'T_l and T_u must be positions around their frame among the 12',
        ),
        (lambda c: c[FIRST].update(box=[1, 2]), r'expected \{track number'),
        (
            lambda c: [
                t['00'].update({k: v[:6] for k, v in t['00'].items() if k != 'meta'})
                for t in c.values()
            ],
            'has all 9 numbers',
        ),
    ],
)
def test_what_is_wrong_in_the_file_is_named(release, tmp_path, edit, message):
    with pytest.raises(AnnotationError, match=message):
        ReleaseBoxes(change(release, tmp_path, edit))


def test_tracks_that_failed_the_quality_rules_are_left_out(release, tmp_path):
    def edit(content):
        track = content[FIRST]['00']
        content[FIRST]['00'] = {k: v if k == 'meta' else v[:6] for k, v in track.items()}
        content['train/GOT-10k_Train_000002']['00']['meta'].update(
            bbox_picked_freq=0.41, corner_bbox_freq=0.06
        )

    source = ReleaseBoxes(change(release, tmp_path, edit))
    assert len(source) == 1 and not source.samplable.any()  # 0.41 - 0.02 < 0.40


def test_no_json(tmp_path):
    (tmp_path / 'x.json').write_text('{')
    with pytest.raises(AnnotationError, match='x.json: not a JSON file'):
        ReleaseBoxes(tmp_path / 'x.json')
    with pytest.raises(AnnotationError, match='gone.json: cannot be read'):
        ReleaseBoxes(tmp_path / 'gone.json')
