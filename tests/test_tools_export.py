"""tools/export_annotations.py as a process: each format is written, read back by our readers, and
holds the boxes of the table."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from configparser import ConfigParser
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from usot_plugin.datasets import (
    AnnotatedBoxes,
    CocoVideoBoxes,
    PseudoBoxDataset,
    ReleaseBoxes,
    USOTCropDataset,
)
from usot_plugin.datasets.benchmarks import GOT10kDataset
from usot_plugin.datasets.release_crops import ReleaseCrops
from usot_plugin.structures import PseudoTrack
from usot_plugin.structures.clip import open_clip
from usot_plugin.testing.media import moving_square_frames, write_frames, write_video
from usot_plugin.testing.tables import pseudo_track, write_table_part

ROOT = Path(__file__).parents[1]
LENGTH = 12
SIZE = (160, 120)


def write_part(
    table: Path, clip: str, path: Path, tracks: list[PseudoTrack], status: str = 'kept'
) -> None:
    good = [status == 'kept' and track.sequence_quality > 0.5 for track in tracks]
    write_table_part(
        table, clip, path, tracks, good, SIZE, status, LENGTH, {'frames': {'eval_gap': 3}}
    )


def make_track(boxes: np.ndarray, object_id: int = 0, first: int = 0, **kwargs) -> PseudoTrack:
    picked = np.arange(len(boxes)) % 3 == 0
    # Coordinates that no short decimal number holds.
    return replace(
        pseudo_track(boxes + 1 / 3, object_id, first, picked=picked, **kwargs), object_id=object_id
    )


@pytest.fixture(scope='module')
def place(tmp_path_factory):
    """A video with two objects, folders of JPEG and PNG frames, a weak and a dropped clip;
    ``tracks`` by clip."""
    root = tmp_path_factory.mktemp('export')
    frames, boxes = moving_square_frames(LENGTH, SIZE, 30)
    (root / 'clips').mkdir()
    write_video(root / 'clips/two 100%.mp4', frames)
    write_frames(root / 'clips/deep/jpeg', frames, '{:08d}.jpg', first=5)
    write_frames(root / 'clips/png/img', frames, '{:04d}.png')
    tracks = {
        'two 100%.mp4': [make_track(boxes), make_track(boxes[2:9] - 7, 1, 2)],
        'deep/jpeg': [make_track(boxes[1:8], first=1)],
        'png': [make_track(boxes)],
    }
    for clip, path in (
        ('two 100%.mp4', 'two 100%.mp4'),
        ('deep/jpeg', 'deep/jpeg'),
        ('png', 'png/img'),
    ):
        write_part(root / 'table', clip, root / 'clips' / path, tracks[clip])
    write_part(
        root / 'table', 'weak', root / 'clips/png/img', [make_track(boxes, sequence_quality=0.4)]
    )
    write_part(root / 'table', 'dropped', root / 'clips/png', [make_track(boxes)], 'dropped')
    return root, tracks


def export_as_process(place, out, kind, *arguments) -> subprocess.CompletedProcess:
    environment = {**os.environ, 'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': '1'}
    command = [
        sys.executable,
        'tools/export_annotations.py',
        str(place[0] / 'table'),
        '--format',
        kind,
        '--out',
        str(out),
        *arguments,
    ]
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def done(result: subprocess.CompletedProcess) -> str:
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.fixture
def export(monkeypatch, capsys):
    """The same in this process, where the import of the host is paid already."""
    monkeypatch.syspath_prepend(str(ROOT / 'tools'))
    import export_annotations

    def run(place, out, kind, *arguments) -> subprocess.CompletedProcess:
        try:
            status = export_annotations.main(
                [str(place[0] / 'table'), '--format', kind, '--out', str(out), *arguments]
            )
        except SystemExit as stopped:
            status = stopped.code
        captured = capsys.readouterr()
        return subprocess.CompletedProcess([], status, captured.out, captured.err)

    return run


def assert_same_boxes(got: np.ndarray, track: PseudoTrack) -> None:
    np.testing.assert_allclose(
        got, track.boxes_xyxy, atol=1.01e-4
    )  # four decimals, for corner and size each


@pytest.mark.process
@pytest.mark.parametrize('kind', ['mmtrack', 'coco-video'])
def test_coco_round_trip(place, tmp_path, kind):
    text = done(export_as_process(place, tmp_path / 'a.json', kind, '--multi-object'))
    assert text.splitlines()[0] == f'3 clips, 4 tracks, 38 boxes -> {tmp_path}/a.json ({kind})'
    assert text.splitlines()[1] == 'not exported: 2 rows of the table; 0 clips could not be read'
    source = CocoVideoBoxes(tmp_path / 'a.json')
    assert len(source) == 4
    expected = [track for clip in sorted(place[1]) for track in place[1][clip]]
    for row, track in enumerate(expected):
        got = source.track(row)
        assert got.first_frame == track.first_frame
        assert_same_boxes(got.boxes_xyxy, track)


def test_mmtracks_own_indexing_works(export, place, tmp_path):
    """What CocoVID and SOTImageNetVIDDataset of MMTracking 1.x do with the file, spelt out."""
    done(export(place, tmp_path / 'a.json', 'mmtrack', '--multi-object'))
    content = json.loads((tmp_path / 'a.json').read_text())
    images = {image['id']: image for image in content['images']}
    for video in content['videos']:
        frames = [image for image in content['images'] if image['video_id'] == video['id']]
        assert sorted(image['frame_id'] for image in frames) == list(
            range(len(frames))
        )  # it indexes a list of that length
    instances: dict[int, list] = {}
    for entry in content['annotations']:
        instances.setdefault(entry['instance_id'], []).append(entry)
    assert sorted(instances) == [1, 2, 3, 4]
    for entries in instances.values():
        assert len({(images[e['image_id']]['video_id'], e['video_id']) for e in entries}) == 1
        assert all(e['bbox'][2] > 0 and e['bbox'][3] > 0 and not e['occluded'] for e in entries)
    assert [e['generated'] for e in instances[1][:4]] == [False, True, True, False]
    by_name = {image['file_name'] for image in content['images']}
    assert {'deep/jpeg/00000005.jpg', 'png/img/0001.png', 'two 100%.mp4/000000.jpg'} <= by_name
    assert (place[0] / 'clips/deep/jpeg/00000005.jpg').is_file() and (
        place[0] / 'clips/png/img/0001.png'
    ).is_file()


def test_coco_video_is_taos_and_youtube_vis_form(export, place, tmp_path):
    done(export(place, tmp_path / 'a.json', 'coco-video'))
    content = json.loads((tmp_path / 'a.json').read_text())
    assert {
        'info',
        'images',
        'videos',
        'tracks',
        'annotations',
        'categories',
        'licenses',
    } == content.keys()
    assert [track['video_id'] for track in content['tracks']] == [1, 2, 3]
    video = content['videos'][1]
    assert (
        video['length'] == LENGTH == len(video['file_names'])
        and video['file_names'][0] == content['images'][LENGTH]['file_name']
    )
    assert content['info']['discovery'] == {'frames': {'eval_gap': 3}}


@pytest.mark.process
def test_got10k_round_trip(place, tmp_path):
    done(export_as_process(place, tmp_path / 'got', 'got10k', '--multi-object'))
    train = tmp_path / 'got/train'
    names = (train / 'list.txt').read_text().split()
    assert names == sorted(names) == sorted(path.name for path in train.iterdir() if path.is_dir())
    assert names == ['deep_jpeg', 'png', 'two_100_.mp4_00', 'two_100_.mp4_01']
    dataset = GOT10kDataset(tmp_path / 'got', 'train')
    expected = [track for clip in sorted(place[1]) for track in place[1][clip]]
    clips = [
        place[0] / 'clips' / path
        for path in ('deep/jpeg', 'png/img', 'two 100%.mp4', 'two 100%.mp4')
    ]
    for sequence, track, clip in zip(dataset, expected, clips, strict=True):
        assert_same_boxes(sequence.boxes_xyxy, track)
        for index in (0, len(track) - 1):  # each frame is the one the box belongs to
            frame = open_clip(clip).read(track.first_frame + index)
            assert np.abs(sequence.clip.read(index).astype(float) - frame).mean() < 4
    linked = sorted((train / 'deep_jpeg').glob('*.jpg'))
    assert all(file.is_symlink() for file in linked) and linked[0].resolve().name == '00000006.jpg'
    assert not (train / 'png/00000001.jpg').is_symlink()
    group = PseudoBoxDataset(box_source=AnnotatedBoxes(dataset), stage='cycle')[0]
    assert group['clip'] in names and len(group['views']['memory']) == 4
    assert [file.name for file in sorted((train / 'two_100_.mp4_01').glob('*.jpg'))] == [
        f'{n:08d}.jpg' for n in range(1, 8)
    ]


def test_got10k_toolkit_and_mmtracking_can_read_it(export, place, tmp_path):
    """What the got10k toolkit reads of a training sequence, and MMTracking's GOT10kDataset of its
    list."""
    done(export(place, tmp_path / 'got', 'got10k', '--frames', 'picked'))
    folder = tmp_path / 'got/train/two_100_.mp4'
    meta = ConfigParser()
    meta.read(folder / 'meta_info.ini')
    assert (
        meta['METAINFO']['resolution'] == '(160, 120)' and meta['METAINFO']['url'] == 'two 100%.mp4'
    )
    boxes = np.loadtxt(folder / 'groundtruth.txt', delimiter=',')
    labels = {
        name: np.loadtxt(folder / f'{name}.label') for name in ('absence', 'cover', 'cut_by_image')
    }
    count = len(list(folder.glob('*.jpg')))
    assert len(boxes) == count == 10 and all(
        len(label) == count for label in labels.values()
    )  # picked: 0, 3, 6, 9
    assert labels['absence'].tolist() == [0, 1, 1, 0, 1, 1, 0, 1, 1, 0]
    assert ((labels['cover'] == 8) == (labels['absence'] == 0)).all() and (
        boxes[labels['absence'] == 1] == 0
    ).all()
    head, *lines = (tmp_path / 'got/annotations/got10k_train_infos.txt').read_text().split('\n')
    assert (
        head.startswith('The format')
        and 'train/two_100_.mp4,train/two_100_.mp4/groundtruth.txt,1,10' in lines
    )
    for line in lines:
        video, annotation, first, last = line.split(',')
        assert (tmp_path / 'got' / annotation).is_file()
        assert all(
            (tmp_path / 'got' / video / f'{n:08d}.jpg').is_file()
            for n in range(int(first), int(last) + 1)
        )


@pytest.mark.process
@pytest.mark.parametrize('frames', ['all', 'picked'])
def test_usot_json_round_trip(export, place, tmp_path, frames):
    run = export_as_process if frames == 'all' else export
    done(
        run(place, tmp_path / 'usot', 'usot-json', '--multi-object', '--frames', frames, '--crops')
    )
    content = json.loads((tmp_path / 'usot/train.json').read_text())
    assert list(content) == sorted(place[1]) and list(content['two 100%.mp4']) == ['00', '01']
    assert (
        next(iter(content['deep/jpeg']['00'])) == '000006'
    )  # frame 1 of files that begin at 5; picked as well
    assert {'meta', 'aver_vary', 'corner_bbox_freq'} <= {
        *content['png']['00'],
        *content['png']['00']['meta'],
    }
    source = ReleaseBoxes(tmp_path / 'usot/train.json')
    expected = [track for clip in sorted(place[1]) for track in place[1][clip]]
    assert len(source) == 4 and source.samplable.all()
    reader = ReleaseCrops(tmp_path / 'usot/crop511')
    for row, track in enumerate(expected):
        got = source.track(row)
        at = np.flatnonzero(track.picked) if frames == 'picked' else np.arange(len(track))
        np.testing.assert_allclose(got.boxes_xyxy, track.boxes_xyxy[at], atol=1e-4)
        np.testing.assert_allclose(got.frame_quality, track.frame_quality[at], atol=1e-6)
        np.testing.assert_allclose(got.centrality, track.centrality[at], atol=1e-6)
        assert got.fragment(0) == (0, len(at) - 1)  # one smooth passage, in places of the list
        assert got.sequence_quality == pytest.approx(track.sequence_quality)
        view = reader.view(got, 1, got.box(1))
        assert view.image.shape == (511, 511, 3)
    dataset = USOTCropDataset(
        tmp_path / 'usot/train.json', tmp_path / 'usot/crop511', stage='cycle'
    )
    assert len(dataset[0]['views']['memory']) == 4


def test_crops_are_of_the_right_frames(export, place, tmp_path):
    done(export(place, tmp_path / 'usot', 'usot-json', '--crops'))
    source, reader = (
        ReleaseBoxes(tmp_path / 'usot/train.json'),
        ReleaseCrops(tmp_path / 'usot/crop511'),
    )
    track = source.track(0)
    view = reader.view(track, 3, track.box(3))  # place 3 of a track that begins at frame 1
    frame = open_clip(place[0] / 'clips/deep/jpeg').read(4)
    x1, y1, x2, y2 = np.round(track.box(3)).astype(int)
    left, top, right, bottom = np.round(view.box_xyxy).astype(int)
    inside = cv2.resize(
        view.image[top:bottom, left:right], (x2 - x1, y2 - y1), interpolation=cv2.INTER_AREA
    )
    assert np.abs(inside.astype(float) - frame[y1:y2, x1:x2])[4:-4, 4:-4].mean() < 12


def test_quality_and_objects_choose_the_tracks(export, place, tmp_path):
    assert '3 clips, 3 tracks' in done(export(place, tmp_path / 'a.json', 'mmtrack'))
    assert '4 clips, 5 tracks' in done(
        export(place, tmp_path / 'b.json', 'mmtrack', '--quality', '0', '--multi-object')
    )
    refused = export(place, tmp_path / 'c.json', 'mmtrack', '--quality', '0.9')
    assert refused.returncode == 2 and not (tmp_path / 'c.json').exists()
    assert (
        refused.stderr
        == f'error: {place[0]}/table: none of its 6 rows is good enough to be exported\n'
    )


@pytest.mark.parametrize('kind', ['mmtrack', 'got10k'])
def test_second_run_replaces_only_when_told(export, place, tmp_path, kind):
    out = tmp_path / 'out'
    done(export(place, out, kind, '--multi-object'))
    again = export(place, out, kind)
    assert (
        again.returncode == 2
        and again.stderr == f'error: {out}: is there already (--overwrite replaces it)\n'
    )
    assert '3 tracks' in done(export(place, out, kind, '--overwrite'))
    assert [path.name for path in tmp_path.iterdir()] == ['out']


def test_folder_of_somebody_else_is_never_replaced(export, place, tmp_path):
    (tmp_path / 'mine').mkdir()
    (tmp_path / 'mine/thesis.txt').write_text('x')
    refused = export(place, tmp_path / 'mine', 'got10k', '--overwrite')
    assert (
        refused.returncode == 2 and 'not replaced, because no export has made it' in refused.stderr
    )
    assert (tmp_path / 'mine/thesis.txt').is_file()


@pytest.mark.process
def test_unreadable_clips_are_named_and_the_others_exported(place, tmp_path):
    moved = tmp_path / 'moved'
    moved.mkdir()
    (moved / 'png').symlink_to(place[0] / 'clips/png')
    write_frames(moved / 'deep/jpeg', moving_square_frames(3, SIZE)[0], '{:08d}.jpg')
    part = export_as_process(place, tmp_path / 'got', 'got10k', '--video-root', str(moved))
    assert (
        part.returncode == 1
        and '1 clips, 1 tracks, 12 boxes' in part.stdout
        and '2 clips could not be read' in part.stdout
    )
    assert part.stderr.splitlines() == [
        f'left out deep/jpeg: {moved}/deep/jpeg: has 3 frames, but its boxes reach frame 7: '
        'another version?',
        f'left out two 100%.mp4: {moved}/two 100%.mp4: no such file or folder',
    ]
    assert (tmp_path / 'got/train/list.txt').read_text() == 'png\n'
    assert sorted(path.name for path in (tmp_path / 'got/train').iterdir()) == ['list.txt', 'png']


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['--crops'], 'crops belong to the format usot-json, not to mmtrack'),
        (['--frames', 'some'], "argument --frames: invalid choice: 'some'"),
        (['--video-root', 'nowhere'], 'no clip of '),
    ],
)
def test_usage_errors_are_one_line(export, place, tmp_path, arguments, message):
    kind = 'got10k' if 'nowhere' in arguments else 'mmtrack'
    refused = export(place, tmp_path / 'out', kind, *arguments)
    assert refused.returncode == 2 and 'Traceback' not in refused.stderr
    assert (
        refused.stderr.splitlines()[-1].startswith('error: ')
        and message in refused.stderr.splitlines()[-1]
    )
    assert not list(tmp_path.iterdir())
