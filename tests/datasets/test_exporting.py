"""Which tracks and frames of a table are exported."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from usot_plugin.datasets.boxes.box_sources import DiscoveredBoxes
from usot_plugin.datasets.exporting import ExportError, export_table, select_clips
from usot_plugin.datasets.exporting.selection import complete_folders
from usot_plugin.datasets.frames.store_building import extract_frames
from usot_plugin.discovery.table.reading import read_table
from usot_plugin.testing.media import moving_square_frames, write_frames
from usot_plugin.testing.tables import pseudo_track, write_table_part
from usot_plugin.utils.atomic import temporary_folder

BOXES = np.tile([10.0, 10, 30, 40], (6, 1))


def write(table, clip, tracks):
    good = [track.sequence_quality >= 0.5 for track in tracks]
    write_table_part(table, clip, f'/nowhere/{clip}', tracks, good, frame_count=20)


@pytest.fixture
def table(tmp_path):
    """Two windows of the first object and a second one; a clip whose first object is too weak."""
    first = pseudo_track(BOXES, picked=np.array([1, 0, 0, 1, 0, 0], bool))
    write(
        tmp_path / 't',
        'a.mp4',
        [
            first,
            pseudo_track(BOXES, first_frame=10, picked=first.picked),
            replace(first, object_id=1),
        ],
    )
    write(
        tmp_path / 't',
        'b.mp4',
        [replace(first, sequence_quality=0.45), replace(first, object_id=1)],
    )
    return tmp_path / 't'


def chosen(table, **kwargs) -> dict[str, list[tuple[int, int, int]]]:
    return {
        clip.name: [
            (track.number, track.columns.object_id, track.columns.first_frame)
            for track in clip.tracks
        ]
        for clip in select_clips(read_table(table), **kwargs)
    }


def test_all_windows_of_the_best_object_that_is_good_enough(table):
    assert chosen(table) == {'a.mp4': [(0, 0, 0), (1, 0, 10)], 'b.mp4': [(0, 1, 0)]}
    assert chosen(table, min_quality=0.4)['b.mp4'] == [(0, 0, 0)]
    assert chosen(table, multi_object=True)['a.mp4'] == [(0, 0, 0), (1, 0, 10), (2, 1, 0)]


def test_frames_are_counted_in_the_clip(table):
    clip = next(select_clips(read_table(table), frames='picked'))
    assert [track.frames.tolist() for track in clip.tracks] == [[0, 3], [10, 13]]
    assert clip.tracks[1].at.tolist() == [0, 3]
    with pytest.raises(ValueError, match="frames is one of .* got 'some'"):
        next(select_clips(read_table(table), frames='some'))


def test_names_of_a_videos_frames_need_no_video(table):
    clip = next(select_clips(read_table(table)))
    assert (
        clip.image_names()[:2] == ['a.mp4/000000.jpg', 'a.mp4/000001.jpg']
        and len(clip.image_names()) == 20
    )


def test_a_failed_export_leaves_nothing(table, tmp_path):
    with pytest.raises(
        ExportError,
        match='no clip of .* can be read; the last: /nowhere/b.mp4: no such file or folder',
    ):
        export_table(table, tmp_path / 'out', 'got10k')
    (tmp_path / 'file').write_text('x')
    with pytest.raises(ExportError, match='file: this format writes a folder, but that is none'):
        export_table(table, tmp_path / 'file', 'got10k', overwrite=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ['file', 't']


def test_what_a_killed_export_has_left_is_removed_by_the_next(tmp_path):
    frames, boxes = moving_square_frames(6)
    write_table_part(tmp_path / 't', 'a', write_frames(tmp_path / 'a', frames), pseudo_track(boxes))
    dead = subprocess.Popen([sys.executable, '-c', ''])
    dead.wait()
    mine = temporary_folder(tmp_path / 'out')
    for name in (mine.name, f'{mine.name}.old'):
        (tmp_path / name.replace(str(os.getpid()), str(dead.pid))).mkdir()
        (tmp_path / name).mkdir()
    export_table(tmp_path / 't', tmp_path / 'out', 'got10k')
    assert not list(tmp_path.glob('.out*'))


def test_half_made_folders_are_removed(tmp_path):
    with (
        pytest.raises(RuntimeError, match='halfway'),
        complete_folders([tmp_path / 'a/b', tmp_path / 'c']),
    ):
        (tmp_path / 'c/x').write_text('')
        raise RuntimeError('halfway')
    assert not (tmp_path / 'a/b').exists() and not (tmp_path / 'c').exists()


HOSTILE = ('../outside', '/{tmp}/users', 'a/../../../outside', '..')


@pytest.mark.parametrize('name', HOSTILE)
@pytest.mark.parametrize('kind', ['usot-json', 'got10k', 'mmtrack', 'coco-video'])
def test_a_name_in_a_table_never_leaves_the_output(tmp_path, name, kind):
    users = tmp_path / 'users'
    users.mkdir()
    (users / 'work.txt').write_text('years of it')
    frames, boxes = moving_square_frames(6)
    name = name.format(tmp=tmp_path).replace('//', '/')
    write_table_part(
        tmp_path / 't', name, write_frames(tmp_path / 'clip', frames), pseudo_track(boxes), True
    )
    before = sorted(tmp_path.rglob('*'))
    with pytest.raises(ValueError, match='no plain name of a file below'):
        export_table(tmp_path / 't', tmp_path / 'deep/er/out', kind, crops=kind == 'usot-json')
    assert [path for path in sorted(tmp_path.rglob('*')) if '.arrow' not in path.name] == before
    with pytest.raises(ValueError, match='no plain name of a file below'):
        extract_frames(DiscoveredBoxes(tmp_path / 't'), tmp_path / 'deep/er/frames', workers=0)
    assert [path for path in sorted(tmp_path.rglob('*')) if '.arrow' not in path.name] == before


def test_only_folders_that_were_made_are_removed(tmp_path):
    (tmp_path / 'b').mkdir()
    (tmp_path / 'b/work.txt').write_text('years of it')
    with pytest.raises(FileExistsError), complete_folders([tmp_path / 'a', tmp_path / 'b']):
        pass
    assert [path.name for path in sorted(tmp_path.rglob('*'))] == ['b', 'work.txt']
