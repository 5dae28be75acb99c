from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from dataclasses import asdict, replace

import cv2
import lmdb
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from usot_plugin.datasets.boxes.box_sources import DiscoveredBoxes, RandomBoxes
from usot_plugin.datasets.frames import store_building
from usot_plugin.datasets.frames.crop_store import (
    STORE_VERSION,
    CropStoreError,
    CropStoreWriter,
    StoreConfig,
    StoredCrops,
    cut_tracks,
    seal,
    track_id,
    unseal,
)
from usot_plugin.datasets.frames.store_building import (
    build_crop_store,
    extract_frames,
    tracks_by_clip,
)
from usot_plugin.datasets.pseudo_box_dataset import PseudoBoxDataset
from usot_plugin.structures.clip import ClipError, open_clip
from usot_plugin.testing.tables import pseudo_track, write_table_part
from usot_plugin.utils.atomic import temporary_folder
from usot_plugin.utils.worker_pool import LostJob

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
def store(rendered, tmp_path_factory):
    out = tmp_path_factory.mktemp('store') / 'crops'
    report = build_crop_store(DiscoveredBoxes(rendered / 'table'), out, workers=0)
    assert (report.clips, report.images, report.failed) == (4, 80, {})
    return out


def build(rendered, **kwargs):
    return PseudoBoxDataset(
        table=rendered / 'table', pipeline=PIPELINE, stage='cycle', samples_per_epoch=12, **kwargs
    )


@pytest.mark.process
def test_crops_equal_decoded_frames_but_for_jpeg_and_resampling(rendered, store):
    decoded, stored = build(rendered), build(rendered, crop_store=store)
    for index in range(12):
        a, b = decoded[index], stored[index]
        assert a['data_samples'].metainfo == b['data_samples'].metainfo  # the same draw
        for view in ('template', 'search', 'memory'):
            key = f'{view}_box_xyxy' if view != 'memory' else 'memory_boxes_xyxy'
            # A window is rounded to pixels of the frame on one side and of the stored crop on the
            # other.
            assert (a['data_samples'].get(key) - b['data_samples'].get(key)).abs().max() < 4
    plain = [
        {'type': 'SiameseCrop', 'views': ['template'], 'size': 127},
        {'type': 'PackSOTInputs', 'single': ['template']},
    ]
    decoded, stored = (
        PseudoBoxDataset(table=rendered / 'table', pipeline=plain, crop_store=s)
        for s in (None, store)
    )
    for index in range(4):
        a, b = (
            d[index]['inputs']['template'].numpy().transpose(1, 2, 0).astype(float)
            for d in (decoded, stored)
        )
        # The same to within a pixel of shift: compare smoothed.
        difference = np.abs(cv2.GaussianBlur(a, (0, 0), 4) - cv2.GaussianBlur(b, (0, 0), 4))
        assert difference.mean() < 4


def test_a_stored_crop_is_the_jpeg_of_the_crop(rendered, store):
    source, reader = DiscoveredBoxes(rendered / 'table'), StoredCrops(store)
    track = source.track(1)
    box = track.box(5)
    view = reader.view(track, 5, box)
    frame = open_clip(track.path).read(5)
    region = reader.config.region(box)
    height, width = frame.shape[:2]
    assert view.image.shape == (511, 511, 3)
    assert view.fill == pytest.approx(np.floor(frame.mean((0, 1))), abs=1)
    # Back to the frame: the visible part of the crop, shrunk, is the frame's region up to JPEG
    # noise.
    side = region[2] - region[0]
    small = cv2.resize(view.image, (side, side), interpolation=cv2.INTER_AREA)
    x1, y1, x2, y2 = (
        max(0, region[0]),
        max(0, region[1]),
        min(width, region[2]),
        min(height, region[3]),
    )
    visible = small[y1 - region[1] : y2 - region[1], x1 - region[0] : x2 - region[0]]
    assert np.abs(visible.astype(float) - frame[y1:y2, x1:x2]).mean() < 3
    cx, cy = (view.box_xyxy[:2] + view.box_xyxy[2:]) / 2
    assert (
        np.abs(np.array([cx, cy]) - 255.5).max() <= 511 / side
    )  # the box is in the middle, up to a frame pixel


def test_workers_read_the_store(rendered, store):
    dataset = build(rendered, crop_store=store)
    alone = [dataset[i] for i in range(12)]
    shared = list(
        DataLoader(dataset, batch_size=1, num_workers=2, collate_fn=lambda batch: batch[0])
    )
    for a, b in zip(alone, shared, strict=True):
        assert torch.equal(a['inputs']['search'], b['inputs']['search'])
    assert len(pickle.dumps(dataset)) < 20_000
    assert torch.equal(
        pickle.loads(pickle.dumps(dataset))[0]['inputs']['search'], alone[0]['inputs']['search']
    )


def lose_every_job(function, jobs, workers, *_):
    yield from (
        (name, LostJob('gave no sign of life for 5 seconds', timed_out=True)) for name, _ in jobs
    )


@pytest.mark.parametrize('write', [build_crop_store, extract_frames])
def test_a_clip_whose_worker_is_lost_is_named_and_made_by_the_next_run(
    rendered, tmp_path, monkeypatch, write
):
    source = DiscoveredBoxes(rendered / 'table')
    with monkeypatch.context() as patch:
        patch.setattr(store_building, 'run_jobs', lose_every_job)
        report = write(source, tmp_path / 'out')
    assert report.clips == 0 and len(report.failed) == 4
    assert all(
        text.endswith('gave no sign of life for 5 seconds') and name in text
        for name, text in report.failed.items()
    )
    assert write(source, tmp_path / 'out', workers=0).clips == 4


def test_frames_that_a_killed_run_has_left_are_removed(rendered, tmp_path):
    dead = subprocess.Popen([sys.executable, '-c', ''])
    dead.wait()
    left = temporary_folder(tmp_path / 'out/clip_0.mp4')
    left = left.with_name(left.name.replace(str(os.getpid()), str(dead.pid)))
    left.mkdir(parents=True)
    (left / '000000.jpg').write_bytes(b'half')
    assert extract_frames(DiscoveredBoxes(rendered / 'table'), tmp_path / 'out', workers=0).clips
    assert not list((tmp_path / 'out').glob('.*'))


def test_a_second_run_does_nothing_and_a_changed_table_is_stored_again(rendered, tmp_path):
    video = rendered / 'clips' / 'clip_0.mp4'
    boxes = np.tile([20.0, 20, 70, 60], (20, 1))
    write_table_part(tmp_path / 'table', 'a.mp4', video, pseudo_track(boxes))
    first = build_crop_store(
        DiscoveredBoxes(tmp_path / 'table'), tmp_path / 'store', workers=0, step=5
    )
    assert (first.clips, first.images) == (1, 4)
    second = build_crop_store(
        DiscoveredBoxes(tmp_path / 'table'), tmp_path / 'store', workers=0, step=5
    )
    assert (second.clips, second.skipped) == (0, 1)
    write_table_part(tmp_path / 'table', 'a.mp4', video, pseudo_track(boxes + 3))
    track = DiscoveredBoxes(tmp_path / 'table').track(0)
    with pytest.raises(ClipError, match='not those of the crop store'):
        StoredCrops(tmp_path / 'store').complete(track)
    third = build_crop_store(
        DiscoveredBoxes(tmp_path / 'table'), tmp_path / 'store', workers=0, step=5
    )
    assert third.clips == 1
    available = StoredCrops(tmp_path / 'store').complete(track).available
    assert np.flatnonzero(available).tolist() == [0, 5, 10, 15]


@pytest.mark.process
def test_a_broken_clip_leaves_the_others(rendered, tmp_path):
    boxes = np.tile([20.0, 20, 70, 60], (20, 1))
    write_table_part(tmp_path / 'table', 'a.mp4', tmp_path / 'gone.mp4', pseudo_track(boxes))
    write_table_part(
        tmp_path / 'table', 'b.mp4', rendered / 'clips' / 'clip_0.mp4', pseudo_track(boxes)
    )
    write_table_part(
        tmp_path / 'table',
        'c.mp4',
        rendered / 'clips' / 'clip_0.mp4',
        pseudo_track(np.tile(boxes, (2, 1))),
    )
    write_table_part(
        tmp_path / 'table',
        'd.mp4',
        rendered / 'clips' / 'clip_0.mp4',
        pseudo_track(boxes),
        samplable=False,
    )
    said = {}
    report = build_crop_store(
        DiscoveredBoxes(tmp_path / 'table'), tmp_path / 'store', workers=1, on_clip=said.__setitem__
    )
    assert report.clips == 1 and set(report.failed) == {'a.mp4', 'c.mp4'}
    assert 'no such file' in report.failed['a.mp4'] and 'has 20 frames' in report.failed['c.mp4']
    assert said['b.mp4'] == '20 crops'
    dataset = PseudoBoxDataset(
        table=tmp_path / 'table',
        crop_store=tmp_path / 'store',
        pipeline=PIPELINE,
        samples_per_epoch=8,
    )
    assert {dataset[i]['data_samples'].clip for i in range(8)} == {'b.mp4'}


def test_a_stopped_write_leaves_no_half_clip(rendered, tmp_path):
    track = DiscoveredBoxes(rendered / 'table').track(0)
    entries = cut_tracks(open_clip(track.path), [track], StoreConfig())

    def stops():
        yield from entries[:5]
        raise KeyboardInterrupt

    with CropStoreWriter(tmp_path) as writer:
        with pytest.raises(KeyboardInterrupt):
            writer.add(stops())
        assert not writer.holds(track)
        writer.add(entries)
        assert writer.holds(track)


def test_the_map_grows(tmp_path, monkeypatch):
    monkeypatch.setattr('usot_plugin.datasets.frames.crop_store.FIRST_MAP_BYTES', 1 << 16)
    with CropStoreWriter(tmp_path) as writer:
        for number in range(20):
            writer.add([(f'{number}', b'x' * 50_000)])
    with lmdb.open(str(tmp_path), readonly=True) as env, env.begin() as txn:
        assert unseal('19', txn.get(b'19'), STORE_VERSION, tmp_path) == b'x' * 50_000


def test_another_geometry_is_refused(store):
    with pytest.raises(CropStoreError, match='use another folder'):
        CropStoreWriter(store, StoreConfig(size=255))


def test_what_is_no_store_is_refused(tmp_path, rendered):
    with pytest.raises(CropStoreError, match='no crop store here'):
        StoredCrops(tmp_path / 'gone')
    with lmdb.open(str(tmp_path / 'other')) as env, env.begin(write=True) as txn:
        txn.put(b'key', b'value')
    with pytest.raises(CropStoreError, match='but not a crop store'):
        StoredCrops(tmp_path / 'other')
    with lmdb.open(str(tmp_path / 'newer')) as env, env.begin(write=True) as txn:
        txn.put(b'config', json.dumps({'version': 99, 'anything': 1}).encode())
    with pytest.raises(CropStoreError, match='version 99'):
        StoredCrops(tmp_path / 'newer')
    with pytest.raises(ValueError, match='finds its boxes in full frames'):
        build_crop_store(RandomBoxes(clips=rendered / 'clips'), tmp_path / 'x', workers=0)


def test_a_store_needs_boxes_that_are_known_beforehand(rendered, store):
    with pytest.raises(ValueError, match='crops cannot be stored'):
        build(rendered, crop_store=store, box_source='random')
    with pytest.raises(ValueError, match='not both'):
        build(rendered, crop_store=store, frame_root='x')


def test_a_missing_crop_names_clip_and_frame(rendered, tmp_path):
    track = DiscoveredBoxes(rendered / 'table').track(0)
    with CropStoreWriter(tmp_path) as writer:
        writer.add(
            [
                entry
                for entry in cut_tracks(open_clip(track.path), [track], StoreConfig())
                if not entry[0].endswith('000007')
            ]
        )
    with pytest.raises(ClipError, match=r'clip_0\.mp4, frame 7: the crop of object 0 is missing'):
        StoredCrops(tmp_path).view(track, 7, track.box(7))


def test_tracks_of_one_clip_are_cut_in_one_pass(rendered):
    source = DiscoveredBoxes(rendered / 'table')
    groups = list(tracks_by_clip(source))
    assert [len(group) for group in groups] == [1, 1, 1, 1]
    track = source.track(0)
    second = type(track)(**{**track.__dict__, 'object_id': 1})
    keys = [
        key for key, _ in cut_tracks(open_clip(track.path), [track, second], StoreConfig(), step=4)
    ]
    assert len(keys) == 2 * 5 + 2 and track_id(track) != track_id(second)


def test_frames_are_extracted_whole(rendered, tmp_path):
    report = extract_frames(DiscoveredBoxes(rendered / 'table'), tmp_path / 'frames', workers=0)
    assert (report.clips, report.images) == (4, 80)
    assert (
        extract_frames(DiscoveredBoxes(rendered / 'table'), tmp_path / 'frames', workers=0).skipped
        == 4
    )
    folder, video = (
        open_clip(tmp_path / 'frames' / 'clip_2.mp4'),
        open_clip(rendered / 'clips' / 'clip_2.mp4'),
    )
    assert np.abs(folder.read(13).astype(float) - video.read(13)).mean() < 4
    dataset = PseudoBoxDataset(
        table=rendered / 'table', frame_root=tmp_path / 'frames', pipeline=PIPELINE
    )
    assert dataset[0]['inputs']['search'].shape == (3, 255, 255)
    assert sorted(p.name for p in (tmp_path / 'frames').iterdir()) == [
        f'clip_{n}.mp4' for n in range(4)
    ]


def test_damage_of_a_record_and_a_cut_database_are_named(tmp_path):
    with CropStoreWriter(tmp_path / 's') as writer:
        writer.add([(f'{number}', b'x' * 5000) for number in range(50)])
    data = (tmp_path / 's/data.mdb').read_bytes()
    with lmdb.open(str(tmp_path / 's')) as env, env.begin(write=True) as txn:
        txn.put(b'config', b'\x80\x02' + txn.get(b'config')[2:])
    for make in (StoredCrops, CropStoreWriter):
        with pytest.raises(CropStoreError, match=f'{tmp_path}/s: record config is damaged'):
            make(tmp_path / 's')
    for size in (0, 100, 5000, len(data) // 2, len(data) - 4096):
        folder = tmp_path / f'cut_{size}'
        folder.mkdir()
        (folder / 'data.mdb').write_bytes(data[:size])
        with pytest.raises(CropStoreError, match=f'{folder}: '):
            StoredCrops(folder)
    with pytest.raises(CropStoreError, match='record k is damaged'):
        unseal('k', seal('k', b'value')[:-1] + b'x', STORE_VERSION, tmp_path)
    with pytest.raises(CropStoreError, match='record k is damaged'):
        unseal('k', seal('other', b'value'), STORE_VERSION, tmp_path)


def test_a_store_without_checksums_is_read_and_added_to(tmp_path):
    old = replace(StoreConfig(), version=1)
    with lmdb.open(str(tmp_path)) as env, env.begin(write=True) as txn:
        txn.put(b'config', json.dumps(asdict(old)).encode())
    with CropStoreWriter(tmp_path) as writer:
        assert writer.config == old
        writer.add([('k', b'value')])
    assert StoredCrops(tmp_path)._value('k') == b'value'
