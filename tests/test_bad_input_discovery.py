"""A folder with everything that goes wrong with video files, given to tools/discover_boxes.py once.

Every clip must end as a row: those that can be read with boxes or 'no moving object', the others
with one line that names the file and the cause; the good clip between them must be finished.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from usot_plugin.discovery.table.reading import read_table
from usot_plugin.testing.media import (
    moving_square_frames,
    set_mp4_rotation,
    write_frames,
    write_video,
)

resource = pytest.importorskip('resource')  # POSIX
REPO = Path(__file__).resolve().parents[1]
#: Root may read everything; without these capabilities it is held to the permissions of files like
#: everyone else.
MORTAL = ['setpriv', '--bounding-set=-dac_override,-dac_read_search']
FRAMES, _ = moving_square_frames(30, (128, 96), side_px=28, step_px=4)

#: Clip -> words of its reason and detail. All of them make the exit code 1.
UNREADABLE = {
    'text.mp4': ('unreadable', 'not a readable video'),
    'empty.mp4': ('unreadable', 'not a readable video'),
    'truncated.mp4': ('unreadable', 'not a readable video'),
    'zero_frames.avi': ('unreadable', 'zero_frames.avi'),
    'empty_image': ('unreadable', '0001.png, frame 0: not an image'),
}
#: Damaged in the middle -> words of their detail and the frames that have boxes at most.
DAMAGED = {
    'streamed_truncated.mp4': ('of 30 frames that it announces can be read', 30),
    'broken_image': ('frames 14 to 29 are left out: ', 14),
    'two_sizes': ('0015.png, frame 14: size 64x48 differs from the first frame 128x96', 14),
}
#: Readable, but nothing can be found in them; not an error.
WITHOUT_BOXES = {
    'one_frame.mp4': ('too short', '1 frame'),
    'one_image': ('too short', '1 frame'),
    'tiny_8x8': ('too small', '8x8'),
}
#: Read like any other clip: width and height as a viewer shows them.
READABLE = {
    'good.mp4': (128, 96),
    'odd_193x121': (193, 121),
    'odd_193x121.mkv': (193, 121),
    'gray.mkv': (128, 96),
    'gray_images': (128, 96),
    'sixteen_bit.mkv': (128, 96),
    'sixteen_bit_images': (128, 96),
    'alpha.mov': (128, 96),
    'alpha_images': (128, 96),
    'rotated.mp4': (96, 128),
    'variable_rate.mkv': (128, 96),
    'names with spaces äöü.mp4': (128, 96),
    'one_image_is_gray': (128, 96),
}


def make_unreadable(root: Path) -> None:
    (root / 'text.mp4').write_text('this is no video\n' * 100)
    (root / 'empty.mp4').touch()
    whole = write_video(root / 'truncated.mp4', FRAMES)
    os.truncate(whole, whole.stat().st_size // 2)
    with av.open(
        str(root / 'streamed_truncated.mp4'), 'w', options={'movflags': 'faststart'}
    ) as container:
        stream = container.add_stream('libx264', rate=25)
        stream.height, stream.width = FRAMES.shape[1:3]
        for frame in FRAMES:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format='bgr24')))
        container.mux(stream.encode())
    streamed = root / 'streamed_truncated.mp4'
    data_at = streamed.read_bytes().index(b'mdat')
    os.truncate(streamed, data_at + (streamed.stat().st_size - data_at) * 5 // 6)
    with av.open(str(root / 'zero_frames.avi'), 'w') as container:
        stream = container.add_stream('mpeg4', rate=25)
        stream.height, stream.width = 96, 128
        container.start_encoding()
    (write_frames(root / 'broken_image', FRAMES, '{:04d}.png') / '0015.png').write_bytes(
        b'\x89PNG but no more'
    )
    write_frames(
        write_frames(root / 'two_sizes', FRAMES, '{:04d}.png'),
        [np.zeros((48, 64, 3), np.uint8)],
        '{:04d}.png',
        first=15,
    )
    (write_frames(root / 'empty_image', FRAMES, '{:04d}.png') / '0001.png').write_bytes(b'')


def make_readable(root: Path) -> None:
    gray = [cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY) for frame in FRAMES]
    write_video(root / 'one_frame.mp4', FRAMES[:1])
    write_frames(root / 'one_image', FRAMES[:1])
    write_frames(root / 'tiny_8x8', moving_square_frames(30, (8, 8), side_px=3, step_px=1)[0])
    write_video(root / 'good.mp4', FRAMES)
    odd = moving_square_frames(30, (193, 121), side_px=28, step_px=4)[0]
    write_frames(root / 'odd_193x121', odd)
    write_video(root / 'odd_193x121.mkv', odd, 'ffv1', 'yuv420p')
    write_video(root / 'gray.mkv', FRAMES, 'ffv1', 'gray')
    write_frames(root / 'gray_images', gray)
    write_video(root / 'sixteen_bit.mkv', FRAMES, 'ffv1', 'gray16le')
    write_frames(root / 'sixteen_bit_images', [frame.astype(np.uint16) * 257 for frame in FRAMES])
    write_video(root / 'alpha.mov', FRAMES, 'qtrle', 'argb')
    write_frames(
        root / 'alpha_images',
        [np.dstack([frame, np.full(frame.shape[:2], 128, np.uint8)]) for frame in FRAMES],
    )
    set_mp4_rotation(write_video(root / 'rotated.mp4', FRAMES), 90)
    write_video(
        root / 'variable_rate.mkv', FRAMES, times=np.cumsum([1, 1, 5, 2, 1, 9] * 5).tolist()
    )
    write_video(root / 'names with spaces äöü.mp4', FRAMES)
    write_frames(write_frames(root / 'one_image_is_gray', FRAMES), gray[9:10], first=10)


def run_tool(*args, prefix: Sequence[str] = (), **kwargs) -> subprocess.CompletedProcess:
    environment = {**os.environ, 'PYTHONPATH': str(REPO), 'OMP_NUM_THREADS': '1'}
    command = [*prefix, sys.executable, str(REPO / 'tools/discover_boxes.py'), *map(str, args)]
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=300, **kwargs
    )


def permission_prefix() -> list[str]:
    """What to put before a command so that file permissions count."""
    if os.geteuid() != 0:
        return []
    with tempfile.NamedTemporaryFile() as locked:
        os.chmod(locked.name, 0)
        if (
            not shutil.which('setpriv')
            or subprocess.run([*MORTAL, 'cat', locked.name], capture_output=True).returncode == 0
        ):
            pytest.skip('runs as root and cannot give up its right to read everything')
    return MORTAL


@pytest.fixture(scope='module')
def place(tmp_path_factory):
    root = tmp_path_factory.mktemp('bad_input')
    (root / 'config.py').write_text("discovery = dict(flow=dict(type='DISFlow'))\n")
    return root


@pytest.fixture(scope='module')
def run(place):
    root = place / 'all'
    root.mkdir()
    make_unreadable(root)
    make_readable(root)
    (root / 'an empty folder').mkdir()
    (root / 'readme.txt').write_text('not a clip')
    done = run_tool(place / 'config.py', root, '--out', place / 'boxes', '--workers', 2)
    return done, {row.clip: row for row in read_table(place / 'boxes.parquet').rows}


@pytest.mark.process
def test_every_clip_is_a_row_and_the_exit_code_tells(run):
    done, rows = run
    assert done.returncode == 1, done.stderr
    assert set(rows) == {*UNREADABLE, *DAMAGED, *WITHOUT_BOXES, *READABLE}
    assert (
        f'{len(rows)} of {len(rows)} clips' in done.stdout
        and f'unreadable {len(UNREADABLE)}' in ' '.join(done.stdout.split())
    )


@pytest.mark.parametrize('clip', [*UNREADABLE, *WITHOUT_BOXES])
def test_one_line_names_file_and_cause(run, clip):
    done, rows = run
    reason, words = {**UNREADABLE, **WITHOUT_BOXES}[clip]
    assert (rows[clip].status, rows[clip].reason, rows[clip].track) == ('skipped', reason, None)
    assert words in rows[clip].detail and clip in rows[clip].detail

    assert len([line for line in done.stderr.splitlines() if rows[clip].detail in line]) == 1


@pytest.mark.parametrize('clip', READABLE)
def test_unusual_but_readable_clips_are_read(run, clip):
    _, rows = run
    row = rows[clip]
    assert row.status in ('kept', 'dropped'), row.detail
    assert (row.width, row.height, row.frame_count) == (*READABLE[clip], 30)
    boxes = row.track.boxes_xyxy
    assert len(boxes) == 30 and (boxes[:, :2] >= 0).all() and (boxes[:, 2:] <= READABLE[clip]).all()


@pytest.mark.parametrize('clip', DAMAGED)
def test_the_frames_before_a_damage_are_used_and_the_row_says_so(run, clip):
    done, rows = run
    words, frames = DAMAGED[clip]
    row = rows[clip]
    assert (
        row.status in ('kept', 'dropped')
        and words in row.detail
        and 9 < len(row.track.boxes_xyxy) <= frames
    )
    assert (
        len(
            [
                line
                for line in done.stderr.splitlines()
                if f'{row.status} {clip}, though ' in line and words in line
            ]
        )
        == 1
    )


def test_nothing_but_the_lines_is_printed(run):
    done, _ = run
    assert 'Traceback' not in done.stderr
    # On a slow machine a line of progress comes between them.
    lines = [line for line in done.stderr.splitlines() if not re.match(r'\d+/\d+ clips, ', line)]
    assert (
        len(lines) == len(UNREADABLE) + len(DAMAGED) + len(WITHOUT_BOXES) + 1
    )  # the last says where the table is
    assert all(
        line.startswith(('skipped /', 'kept ', 'dropped ')) for line in lines[:-1]
    ) and lines[-1].startswith('merged into ')


def test_nothing_half_written_stays(run, place):
    assert {file.suffix for file in (place / 'boxes').iterdir()} <= {'.parquet', '.arrow'}


@pytest.mark.process
def test_files_without_permission_are_skipped_with_the_cause(place):
    root = place / 'locked'
    write_video(place / 'film.mp4', FRAMES)
    for name in ('open.mp4', 'locked.mp4', 'folder/inside.mp4'):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(place / 'film.mp4', root / name)
    (root / 'locked.mp4').chmod(0)
    (root / 'folder').chmod(0)
    try:
        done = run_tool(
            place / 'config.py',
            root,
            '--out',
            place / 'locked_boxes',
            '--workers',
            1,
            prefix=permission_prefix(),
        )
    finally:
        (root / 'folder').chmod(0o755)
    assert done.returncode == 1, done.stderr
    rows = {row.clip: row for row in read_table(place / 'locked_boxes.parquet').rows}
    assert rows['open.mp4'].track is not None
    for clip in ('locked.mp4', 'folder'):
        assert (
            rows[clip].reason == 'unreadable'
            and 'Permission denied' in rows[clip].detail
            and clip in rows[clip].detail
        )


@pytest.mark.process
def test_table_in_a_forbidden_folder_is_refused(place):
    forbidden = place / 'forbidden'
    forbidden.mkdir()
    forbidden.chmod(0o555)
    (place / 'few').mkdir()
    write_video(place / 'few/film.mp4', FRAMES)
    done = run_tool(
        place / 'config.py',
        place / 'few',
        '--out',
        forbidden / 'boxes',
        '--workers',
        1,
        prefix=permission_prefix(),
    )
    assert done.returncode == 2 and 'cannot be written (no permission' in done.stderr, done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.fixture
def full_disk(place):
    """A folder on a disk with room for a few parts."""
    disk = place / 'small_disk'
    disk.mkdir()
    mount = subprocess.run(
        ['mount', '-t', 'tmpfs', '-o', 'size=48k', 'tmpfs', str(disk)], capture_output=True
    )
    if mount.returncode:
        pytest.skip('mounting a small disk is not allowed here')
    yield disk
    subprocess.run(['umount', str(disk)], check=True)


def check_no_room(done: subprocess.CompletedProcess, out: Path, cause: str) -> None:
    assert done.returncode == 2, done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith('error: ')]
    assert (
        f'cannot be written ({cause}); the finished clips are safe' in line
        and 'Traceback' not in done.stderr
    )
    assert not list(out.rglob('.*.tmp*')) and not out.with_suffix('.parquet').exists()


@pytest.mark.process
@pytest.mark.slow
def test_full_disk(place, full_disk):
    films = place / 'films'
    films.mkdir()
    for index in range(8):
        write_video(films / f'{index}.mp4', FRAMES)
    out = full_disk / 'boxes'
    check_no_room(
        run_tool(place / 'config.py', films, '--out', out, '--workers', 1),
        out,
        f'no space left on {out}',
    )
    finished = len(list(out.glob('*.parquet')))
    assert 0 < finished < 8
    subprocess.run(['mount', '-o', 'remount,size=1m', str(full_disk)], check=True)
    done = run_tool(place / 'config.py', films, '--out', out, '--workers', 1)
    assert done.returncode == 0 and f'{finished} were finished by an earlier run' in done.stdout, (
        done.stderr
    )
    assert len(read_table(out.with_suffix('.parquet'))) == 8


@pytest.mark.process
def test_file_size_limit(place):
    out = place / 'limited_boxes'
    (place / 'limited').mkdir()
    write_video(place / 'limited/film.mp4', FRAMES)
    limit = 4000

    def lower() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    done = run_tool(
        place / 'config.py', place / 'limited', '--out', out, '--workers', 1, preexec_fn=lower
    )
    check_no_room(done, out, f'a file in {out} may not grow so large')
    assert not list(out.iterdir())
