"""Exact frame access: every reader must give the frame that a plain decoding pass gives at that
rank."""

from __future__ import annotations

import os
import pickle
import random

import av
import cv2
import numpy as np
import pytest

from usot_plugin.structures import ArrayClip, ClipError, FolderClip, open_clip
from usot_plugin.structures.clip import fingerprint_of, natural_key, read_image
from usot_plugin.structures.frame_files import FrameFilesClip
from usot_plugin.testing.media import (
    moving_square_frames,
    set_mp4_rotation,
    write_frames,
    write_video,
)

FRAMES = moving_square_frames(40, (64, 48), side_px=14)[0]
UNEVEN = list(np.cumsum([1, 1, 5, 2, 1] * 8))

#: name, encoder, pixel format, options, presentation times
VIDEOS = {
    'b_frames.mp4': ('libx264', 'yuv420p', {'bf': '3', 'g': '12'}, None),
    'one_key_frame.mp4': ('libx264', 'yuv420p', {'bf': '3', 'g': '300'}, None),
    'open_gop.mp4': (
        'libx264',
        'yuv420p',
        {'bf': '3', 'g': '12', 'x264-params': 'open-gop=1'},
        None,
    ),
    'variable_rate.mkv': ('libx264', 'yuv420p', {'bf': '2', 'g': '10'}, UNEVEN),
    'transport.ts': ('libx264', 'yuv420p', {'bf': '2', 'g': '10'}, None),
    'reordered.avi': ('libx264', 'yuv420p', {'bf': '3', 'g': '12'}, None),
    'plain.avi': ('mpeg4', 'yuv420p', {'bf': '0', 'g': '12'}, None),
    'gray.mkv': ('ffv1', 'gray', {}, None),
    'gray_16_bit.mkv': ('ffv1', 'gray16le', {}, None),
    'alpha.mov': ('qtrle', 'argb', {}, None),
    'web.webm': ('libvpx-vp9', 'yuv420p', {}, None),
}


@pytest.fixture(scope='module', params=VIDEOS)
def video(request, tmp_path_factory):
    codec, pixel_format, options, times = VIDEOS[request.param]
    if codec not in av.codecs_available:
        pytest.skip(f'this build of PyAV has no {codec}')
    path = tmp_path_factory.mktemp('videos') / request.param
    write_video(path, FRAMES, codec, pixel_format, times=times, options=options)
    with av.open(str(path)) as container:
        plain = [frame.to_ndarray(format='bgr24') for frame in container.decode(video=0)]
    return path, plain


def test_sequential_pass_equals_plain_decoding(video):
    path, plain = video
    clip = open_clip(path)
    got = list(clip.iter_frames())
    assert [index for index, _ in got] == list(range(40)) and clip.frame_count == len(plain) == 40
    for (_, frame), expected in zip(got, plain, strict=True):
        assert np.abs(frame.astype(int) - expected).max() <= 3  # the scaler's rounding


def test_random_access_equals_the_sequential_pass(video):
    path, _ = video
    clip = open_clip(path)
    passed = [frame for _, frame in clip.iter_frames()]
    order = list(range(40)) * 2
    random.Random(0).shuffle(order)
    assert [i for i in order if not np.array_equal(clip.read(i), passed[i])] == []


def test_a_second_reader_does_not_disturb_an_open_iteration(video):
    path, _ = video
    clip = open_clip(path)
    passed = [frame for _, frame in clip.iter_frames()]
    for index, frame in clip.iter_frames(5, 20):
        np.testing.assert_array_equal(frame, passed[index])
        other = (index * 7) % 40
        np.testing.assert_array_equal(clip.read(other), passed[other])


def test_iter_frames_resizes_and_turns_gray(video):
    path, _ = video
    (index, frame), *_rest = list(open_clip(path).iter_frames(7, 9, size_wh=(32, 24), gray=True))
    assert index == 7 and frame.shape == (24, 32) and frame.dtype == np.uint8
    colour = open_clip(path).read(7)
    expected = cv2.resize(
        cv2.cvtColor(colour, cv2.COLOR_BGR2GRAY), (32, 24), interpolation=cv2.INTER_AREA
    )
    assert np.abs(frame.astype(int) - expected).mean() < 6


def test_pickled_clip_opens_its_own_decoder(video):
    path, _ = video
    clip = open_clip(path)
    clip.read(11)
    copy = pickle.loads(pickle.dumps(clip))
    np.testing.assert_array_equal(copy.read(12), clip.read(12))
    assert copy.size_wh == clip.size_wh and copy.fingerprint() == clip.fingerprint()


@pytest.mark.parametrize('degrees, size_wh', [(90, (48, 64)), (180, (64, 48)), (270, (48, 64))])
def test_rotation_metadata_turns_the_frame(tmp_path, degrees, size_wh):
    path = write_video(tmp_path / 'phone.mp4', FRAMES[:5])
    upright = open_clip(path).read(2)
    set_mp4_rotation(path, degrees)
    clip = open_clip(path)
    assert clip.size_wh == size_wh
    turned = np.rot90(upright, -degrees // 90)  # np.rot90 turns anticlockwise
    assert np.abs(clip.read(2).astype(int) - turned).max() <= 3
    (_, small), *_rest = clip.iter_frames(0, 1, size_wh=(size_wh[0] // 2, size_wh[1] // 2))
    assert (small.shape[1], small.shape[0]) == (size_wh[0] // 2, size_wh[1] // 2)


def test_truncated_video_names_file_and_cause(tmp_path):
    path = write_video(tmp_path / 'cut.mkv', FRAMES, 'ffv1', 'bgr0')
    whole = path.stat().st_size
    os.truncate(path, whole // 2)
    try:
        clip = open_clip(path)
        read = sum(1 for _ in clip.iter_frames())
        assert (
            read == clip.frame_count < 40
        )  # Matroska has no index to miss: it ends where the file ends
    except ClipError as error:
        assert 'cut.mkv' in str(error)
    path = write_video(tmp_path / 'cut.mp4', FRAMES)
    os.truncate(path, path.stat().st_size // 2)  # the index of an MP4 is at its end
    with pytest.raises(ClipError, match=r'cut\.mp4: not a readable video'):
        open_clip(path)


def test_index_without_all_its_frames_says_how_many_are_there(tmp_path):
    # The index is at the front, the data ends early: the frames announced cannot all be decoded.
    path = tmp_path / 'streamed.mp4'
    with av.open(str(path), 'w', options={'movflags': 'faststart'}) as container:
        stream = container.add_stream('libx264', rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, 'yuv420p'
        for frame in FRAMES:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format='bgr24')))
        container.mux(stream.encode())
    data_at = path.read_bytes().index(b'mdat')
    os.truncate(path, data_at + (path.stat().st_size - data_at) * 4 // 5)
    clip = open_clip(path)
    assert 0 < clip.frame_count == sum(1 for _ in clip.iter_frames()) < 40
    assert f'{clip.frame_count} of 40 frames that it announces can be read' in clip.notes
    os.truncate(path, data_at + 100)
    with pytest.raises(ClipError, match=r'streamed\.mp4: no frame in the video .*0 of 40 frames'):
        open_clip(path)


@pytest.mark.parametrize(
    'name, data, cause',
    [
        ('notes.mp4', b'just words\n' * 50, 'not a readable video'),
        ('empty.mp4', b'', 'not a readable'),
    ],
)
def test_what_is_no_video_is_refused(tmp_path, name, data, cause):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ClipError, match=cause) as caught:
        open_clip(tmp_path / name)
    assert str(tmp_path / name) in str(caught.value) and '\n' not in str(caught.value)


def test_audio_only_file_has_no_video_stream(tmp_path):
    path = tmp_path / 'sound.mp4'
    with av.open(str(path), 'w') as container:
        stream = container.add_stream('aac', rate=8000)
        frame = av.AudioFrame.from_ndarray(
            np.zeros((1, 1024), np.float32), format='fltp', layout='mono'
        )
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with pytest.raises(ClipError, match='no video stream'):
        open_clip(path)


def test_missing_path_is_named(tmp_path):
    with pytest.raises(ClipError, match='no such file or folder'):
        open_clip(tmp_path / 'nothing.mp4')


def test_folder_is_read_in_natural_order(tmp_path):
    folder = write_frames(tmp_path / 'seq', FRAMES[:12], 'frame_{}.png', first=0)
    (folder / 'notes.txt').write_text('not an image')
    (folder / '.hidden.png').write_bytes(b'')
    clip = FolderClip(folder)
    assert [file.name for file in clip.files[8:]] == [
        'frame_8.png',
        'frame_9.png',
        'frame_10.png',
        'frame_11.png',
    ]
    assert clip.frame_count == 12 and clip.size_wh == (64, 48)
    np.testing.assert_array_equal(clip.read(11), FRAMES[11])
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(clip)).read(10), FRAMES[10])


def test_natural_key_compares_numbers_as_numbers():
    assert sorted(['a10', 'a9', 'b1', 'a'], key=natural_key) == ['a', 'a9', 'a10', 'b1']


@pytest.mark.parametrize(
    'frame, shape',
    [
        (np.full((7, 9), 100, np.uint8), 'gray'),
        (np.full((7, 9, 3), 25700, np.uint16), '16 bit'),
        (np.full((7, 9, 4), 100, np.uint8), 'alpha'),
    ],
)
def test_images_of_any_depth_become_three_bytes(tmp_path, frame, shape):
    clip = open_clip(write_frames(tmp_path / shape, [frame, frame]))
    assert clip.read(1).shape == (7, 9, 3) and clip.read(1).dtype == np.uint8
    assert abs(int(clip.read(1)[0, 0, 0]) - 100) <= 1


def test_folder_problems_name_the_image(tmp_path):
    folder = write_frames(tmp_path / 'seq', FRAMES[:3])
    (folder / '00002.png').write_bytes(b'broken')
    with pytest.raises(ClipError, match=r'00002\.png, frame 1: not an image'):
        list(open_clip(folder).iter_frames())
    write_frames(folder, [np.zeros((10, 10, 3), np.uint8)], first=2)
    with pytest.raises(ClipError, match='size 10x10 differs from the first frame 64x48'):
        open_clip(folder).read(1)
    (tmp_path / 'nothing').mkdir()
    with pytest.raises(ClipError, match='no image in this folder'):
        open_clip(tmp_path / 'nothing')


def test_two_images_of_one_number_are_refused(tmp_path):
    folder = write_frames(tmp_path / 'seq', FRAMES[:3], '{:04d}.jpg')
    write_frames(folder, FRAMES[1:2], '{:04d}.png', first=2)
    with pytest.raises(ClipError, match=r'seq: 0002\.jpg and 0002\.png have the same number'):
        open_clip(folder)
    assert (
        FrameFilesClip(folder, ['0001.jpg', '0002.jpg']).frame_count == 2
    )  # who names the files has chosen


def test_a_jpeg_without_its_end_is_refused_whatever_opencv_makes_of_it(tmp_path, monkeypatch):
    folder = write_frames(tmp_path / 'seq', FRAMES[:3], '{:04d}.jpg')
    monkeypatch.setattr(
        cv2, 'imdecode', lambda data, flag: FRAMES[0]
    )  # OpenCV 4 fills the rest with grey
    assert read_image(folder / '0002.jpg') is not None
    os.truncate(folder / '0002.jpg', (folder / '0002.jpg').stat().st_size // 2)
    with pytest.raises(ClipError, match=r'0002\.jpg, frame 1: not an image that OpenCV can decode'):
        read_image(folder / '0002.jpg', 1)


def test_index_outside_is_refused(tmp_path):
    clip = open_clip(write_frames(tmp_path / 'seq', FRAMES[:3]))
    for index in (-1, 3):
        with pytest.raises(IndexError, match='outside 0..2'):
            clip.read(index)


def test_fingerprint_follows_the_bytes_not_the_path(tmp_path):
    first = write_frames(tmp_path / 'one', FRAMES[:3])
    second = write_frames(tmp_path / 'two', FRAMES[:3])
    assert open_clip(first).fingerprint() == fingerprint_of(second)
    (second / '00003.png').write_bytes(b'longer than before' * 1000)
    assert fingerprint_of(first) != fingerprint_of(second)
    broken = tmp_path / 'broken.mp4'
    broken.write_text('no video, but bytes')
    assert len(fingerprint_of(broken)) == 40
    with pytest.raises(ClipError, match='cannot be read'):
        fingerprint_of(tmp_path / 'nowhere.mp4')


def test_array_clip_reads_like_a_folder(tmp_path):
    folder, array = open_clip(write_frames(tmp_path / 'seq', FRAMES[:4])), ArrayClip(FRAMES[:4])
    for (i, a), (j, b) in zip(
        folder.iter_frames(1, 3, (32, 24), True),
        array.iter_frames(1, 3, (32, 24), True),
        strict=True,
    ):
        assert i == j and np.abs(a.astype(int) - b).max() <= 1


@pytest.mark.parametrize('name', ['①', '5²', '٣', '9' * 5000, ''])
def test_any_digit_can_be_sorted(name):
    assert sorted(['2', name, '10', 'a'], key=natural_key).index('2') < sorted(
        ['2', name, '10', 'a'], key=natural_key
    ).index('10')
