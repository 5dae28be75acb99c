"""Every read of every kind of file gives the frame that a sequential pass gives there, also where
clocks and packets are broken."""

from __future__ import annotations

import random
import struct
from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
import pytest

from usot_plugin.structures import ClipError, open_clip
from usot_plugin.structures.clip import VIDEO_SUFFIXES
from usot_plugin.testing.media import moving_square_frames, write_video

COUNT = 36
FRAMES = moving_square_frames(COUNT, (96, 64), side_px=20)[0]
#: The first pixels of a frame are its number in bits, so that a frame tells which one it is.
for _number, _frame in enumerate(FRAMES):
    _frame[:8] = np.repeat([255 if _number >> bit & 1 else 0 for bit in range(6)], 16)[:, None]
#: A unit of H.264 that says it is a part of a picture, with nothing in it that can be decoded.
NO_PICTURE = bytes([0, 0, 0, 26, 0x41, *range(25)])
H264 = ('libx264', {'g': '8', 'bf': '3', 'crf': '18'})
OPEN_GOP = ('libx264', {'g': '8', 'bf': '3', 'x264-params': 'open-gop=1:scenecut=0'})
INTRA_REFRESH = ('libx264', {'g': '12', 'x264-params': 'intra-refresh=1:bframes=2'})
INTERLACED = ('libx264', {'g': '8', 'bf': '3', 'x264-params': 'tff=1'})
H265 = ('libx265', {'x265-params': 'log-level=none:keyint=8:min-keyint=8:bframes=4'})
MPEG2 = ('mpeg2video', {'g': '8', 'bf': '2'})
MPEG4 = ('mpeg4', {'g': '8', 'bf': '2'})
MJPEG = ('mjpeg', {})
VP8 = ('libvpx', {'g': '12', 'auto-alt-ref': '1', 'lag-in-frames': '10'})
VP9 = ('libvpx-vp9', {'g': '12', 'lag-in-frames': '10'})

FILES = {
    **dict.fromkeys(('x.mp4', 'x.mkv', 'x.ts', 'x.m2ts', 'x.avi', 'x.flv', 'x.h264'), H264),
    **dict.fromkeys(('open_gop.mp4', 'open_gop.mkv', 'open_gop.ts'), OPEN_GOP),
    **dict.fromkeys(('intra_refresh.mp4', 'intra_refresh.ts'), INTRA_REFRESH),
    'interlaced.mp4': INTERLACED,
    **dict.fromkeys(('h265.mp4', 'h265.mkv', 'h265.ts'), H265),
    **dict.fromkeys(('mpeg2.mpg', 'mpeg2.vob', 'mpeg2.mkv', 'mpeg2.ts'), MPEG2),
    **dict.fromkeys(('mpeg4.avi', 'mpeg4.mp4', 'mpeg4.3gp'), MPEG4),
    **dict.fromkeys(('mjpeg.avi', 'mjpeg.mkv'), MJPEG),
    'vp8.webm': VP8,
    'vp9.webm': VP9,
}
#: Decoders that put the same in the place of what is damaged, whenever they are asked.
REPEATABLE = (
    'x.mp4',
    'x.mkv',
    'x.ts',
    'x.avi',
    'open_gop.mkv',
    'h265.mp4',
    'mpeg2.mpg',
    'mpeg2.mkv',
    'mpeg4.avi',
    'mjpeg.avi',
    'mjpeg.mkv',
)


def encoded(path: Path, kind: tuple[str, dict[str, str]], frames: np.ndarray = FRAMES) -> Path:
    codec, options = kind
    if codec not in av.codecs_available:
        pytest.skip(f'this build of PyAV has no {codec}')
    container_format = {'.vob': 'vob', '.h264': 'h264', '.m2ts': 'mpegts'}.get(path.suffix)
    return write_video(
        path,
        frames,
        codec,
        'yuvj420p' if codec == 'mjpeg' else 'yuv420p',
        options=options,
        container_format=container_format,
    )


def number(frame: np.ndarray) -> int:
    bits = frame[2:6, :96].mean((0, 2)).reshape(6, 16)[:, 4:12].mean(1) > 128
    return int(sum(1 << bit for bit in range(6) if bits[bit]))


def remuxed(
    source: Path,
    target: Path,
    first: int = 0,
    shift: int = 0,
    replace: dict[int, bytes] | None = None,
) -> Path:
    """The packets of a file in another, as ``ffmpeg -c copy`` writes them: from packet ``first``
    on, later, some with other content."""
    with (
        av.open(str(source)) as given,
        av.open(str(target), 'w', format='vob' if target.suffix == '.vob' else None) as made,
    ):
        stream = made.add_stream_from_template(given.streams.video[0])
        for number, packet in enumerate(given.demux(given.streams.video[0])):
            if not packet.size or number < first:
                continue
            copy = av.Packet((replace or {}).get(number, bytes(packet)))
            copy.stream, copy.time_base, copy.is_keyframe = (
                stream,
                packet.time_base,
                packet.is_keyframe,
            )
            copy.duration = packet.duration or 0
            copy.pts = None if packet.pts is None else packet.pts + shift
            copy.dts = None if packet.dts is None else packet.dts + shift
            made.mux(copy)
    return target


def key_packets(path: Path) -> list[int]:
    """Which packets are key frames."""
    with av.open(str(path)) as container:
        return [
            number
            for number, packet in enumerate(container.demux(video=0))
            if packet.size and packet.is_keyframe
        ]


def with_damage(path: Path, places: Sequence[float], noise: int | None) -> Path:
    """The file with some packets overwritten behind their first bytes: with zeros, or with noise of
    a seed."""
    with av.open(str(path)) as container:
        packets = [bytes(packet) for packet in container.demux(video=0) if packet.size]
    changed = {}
    for place in places:
        number = int(place * len(packets))
        data = bytearray(packets[number])
        start, size = min(12, len(data) // 3), max(1, len(data) // 2)
        data[start : start + size] = (
            bytes(size)
            if noise is None
            else np.random.default_rng(noise).integers(0, 256, size, np.uint8).tobytes()
        )
        changed[number] = bytes(data)
    return remuxed(path, path.with_name(f'damaged_{path.name}'), replace=changed)


def check(path: Path) -> list[np.ndarray]:
    """The frames of a sequential pass, after every way of reading gave the same ones."""
    clip = open_clip(path)
    passed = [frame.copy() for index, frame in clip.iter_frames()]
    assert [index for index, _ in clip.iter_frames()] == list(range(len(clip))) and len(
        passed
    ) == len(clip)
    order = list(range(len(clip)))
    random.Random(0).shuffle(order)
    assert [index for index in order if not np.array_equal(clip.read(index), passed[index])] == []
    for start in order[:5]:
        fresh = open_clip(path)
        assert len(fresh) == len(clip)
        for index, frame in fresh.iter_frames(start, start + 4):
            np.testing.assert_array_equal(
                frame, passed[index], err_msg=f'{path.name}, frame {index} from {start}'
            )
    return passed


@pytest.mark.process
@pytest.mark.parametrize('name', FILES)
def test_every_container_and_codec(tmp_path, name):
    assert [number(frame) for frame in check(encoded(tmp_path / name, FILES[name]))] == list(
        range(COUNT)
    )


@pytest.mark.parametrize('name', ['x.mp4', 'x.ts', 'x.avi', 'mpeg2.mpg', 'mpeg2.vob', 'x.mkv'])
def test_a_file_of_one_frame(tmp_path, name):
    assert len(check(encoded(tmp_path / name, FILES[name], FRAMES[:1]))) == 1


@pytest.mark.parametrize('name', ['x.ts', 'mpeg2.mpg', 'mpeg2.vob', 'open_gop.ts'])
def test_recordings_that_were_put_together_are_read_to_their_end(tmp_path, name):
    first, second = (
        encoded(tmp_path / f'{part}_{name}', FILES[name], FRAMES[part::2]) for part in (0, 1)
    )
    both = tmp_path / name
    both.write_bytes(first.read_bytes() + second.read_bytes())
    assert [number(frame) for frame in check(both)] == [*range(0, COUNT, 2), *range(1, COUNT, 2)]
    assert any('clock starts again at frame 18' in note for note in open_clip(both).notes)


def test_a_clock_that_wraps(tmp_path):
    whole = encoded(tmp_path / 'x.ts', H264)
    wrapped = remuxed(whole, tmp_path / 'wrapped.ts', shift=(1 << 33) - 130_000)
    assert [number(frame) for frame in check(wrapped)] == list(range(COUNT))


@pytest.mark.parametrize(
    'source, target',
    [
        ('open_gop.mkv', 'cut.mkv'),
        ('open_gop.ts', 'cut.ts'),
        ('h265.mp4', 'cut.mkv'),
        ('mpeg2.ts', 'cut.ts'),
    ],
)
def test_frames_that_a_cut_took_the_references_from_are_not_counted(tmp_path, source, target):
    whole = encoded(tmp_path / source, FILES[source])
    cut = remuxed(whole, tmp_path / target, first=key_packets(whole)[1])
    numbers = [number(frame) for frame in check(cut)]
    assert numbers == list(range(numbers[0], COUNT)) and 0 < numbers[0] <= 12


def test_a_recording_that_starts_between_key_frames(tmp_path):
    whole = encoded(tmp_path / 'x.ts', H264).read_bytes()
    (tmp_path / 'joined.ts').write_bytes(
        whole[:564] + whole[564 + 188 * (len(whole) // 188 // 7) :]
    )
    numbers = [number(frame) for frame in check(tmp_path / 'joined.ts')]
    assert numbers == list(range(numbers[0], COUNT)) and 0 < numbers[0] <= 12


@pytest.mark.process
@pytest.mark.parametrize('name', REPEATABLE)
def test_damaged_packets_cost_at_most_their_frames(tmp_path, name):
    path = encoded(tmp_path / name, FILES[name])
    for places in ((0,), (0.5,), (0.99,), (0.2, 0.5, 0.8)):
        for noise in (None, 0):
            assert COUNT * 0.6 <= len(check(with_damage(path, places, noise))) <= COUNT, (
                places,
                noise,
            )


def test_a_frame_that_is_lost_keeps_its_place_and_is_noted(tmp_path):
    path = encoded(tmp_path / 'x.mp4', ('libx264', {'g': '8', 'bf': '0'}))
    path = remuxed(path, tmp_path / 'y.mp4', replace={20: NO_PICTURE})
    clip = open_clip(path)
    passed = [frame for _, frame in clip.iter_frames()]
    assert len(clip) == len(passed) == COUNT
    np.testing.assert_array_equal(passed[20], passed[19])
    (note,) = clip.notes
    assert note.startswith('frame 20 cannot be decoded (Invalid data') and note.endswith(
        '; the frame before stands in'
    )


def test_lost_frames_are_one_note(tmp_path):
    path = encoded(tmp_path / 'x.mp4', ('libx264', {'g': '8', 'bf': '0'}))
    clip = open_clip(
        remuxed(path, tmp_path / 'y.mp4', replace=dict.fromkeys((3, 11, 12, 20, 29), NO_PICTURE))
    )
    for index in (30, 12, 5):
        clip.read(index)
    list(clip.iter_frames())
    (note,) = clip.notes
    assert note.startswith('5 frames (3, 11, 12 ...) cannot be decoded (Invalid data')


def test_more_lost_frames_than_can_be_bridged_are_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr('usot_plugin.structures.video_clip.MAX_STAND_INS', 3)
    path = encoded(tmp_path / 'x.mp4', ('libx264', {'g': '8', 'bf': '0'}))
    path = remuxed(path, tmp_path / 'y.mp4', replace=dict.fromkeys(range(20, 28), NO_PICTURE))
    with pytest.raises(
        ClipError, match=r'y\.mp4, frame 20: cannot be decoded, nor can the frames up to 27'
    ):
        list(open_clip(path).iter_frames())


def test_sizes_that_change_are_scaled_to_the_first(tmp_path):
    first = encoded(tmp_path / 'a.ts', H264, FRAMES[:18])
    larger = moving_square_frames(18, (128, 96), side_px=20)[0]
    second = remuxed(encoded(tmp_path / 'b.ts', H264, larger), tmp_path / 'c.ts', shift=90_000)
    both = tmp_path / 'both.ts'
    both.write_bytes(first.read_bytes() + second.read_bytes())
    assert {frame.shape for frame in check(both)} == {(64, 96, 3)} and open_clip(
        both
    ).frame_count == 36
    gray = [frame.shape for _, frame in open_clip(both).iter_frames(gray=True)]
    assert set(gray) == {(64, 96)}


def two_streams(path: Path, small_first: bool) -> Path:
    """A preview of 5 frames that is marked as nothing, and the film that is marked as default."""
    with av.open(str(path), 'w') as container:
        kinds = [(FRAMES[:5, ::2, ::2], False), (FRAMES, True)]
        streams = []
        for frames, default in kinds if small_first else kinds[::-1]:
            stream = container.add_stream('libx264', rate=25)
            stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], 'yuv420p'
            stream.disposition = (
                av.stream.Disposition.default if default else av.stream.Disposition(0)
            ).value
            streams.append((stream, frames))
        for stream, frames in streams:
            for frame in frames:
                container.mux(
                    stream.encode(
                        av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format='bgr24')
                    )
                )
            container.mux(stream.encode())
    return path


@pytest.mark.parametrize('small_first', [True, False])
@pytest.mark.parametrize('suffix', ['.mp4', '.mkv', '.ts'])
def test_the_film_is_read_and_not_the_preview(tmp_path, small_first, suffix):
    frames = check(two_streams(tmp_path / f'x{suffix}', small_first))
    assert [number(frame) for frame in frames] == list(range(COUNT))


def test_a_cover_picture_is_no_video(tmp_path):
    path = tmp_path / 'song.mp4'
    with av.open(str(path), 'w') as container:
        cover = container.add_stream('mjpeg', rate=1)
        cover.width, cover.height, cover.pix_fmt = 96, 64, 'yuvj420p'
        cover.disposition = av.stream.Disposition.attached_pic.value
        picture = av.VideoFrame.from_ndarray(FRAMES[0], format='bgr24').reformat(format='yuvj420p')
        container.mux(cover.encode(picture))
        container.mux(cover.encode())
    with av.open(str(path)) as container:
        if not container.streams.video[0].disposition & av.stream.Disposition.attached_pic:
            pytest.skip('this build of FFmpeg does not mark cover pictures in mp4')
    with pytest.raises(ClipError, match='no video stream'):
        open_clip(path)


def test_frames_before_an_edit_list_are_not_counted(tmp_path):
    whole = encoded(tmp_path / 'x.mp4', H264)
    # Stamps below zero make the muxer write an edit list that leaves these frames out.
    with av.open(str(whole)) as container:
        unit = int(1 / (25 * container.streams.video[0].time_base))
    cut = remuxed(whole, tmp_path / 'cut.mp4', shift=-4 * unit)
    frames = check(cut)
    with av.open(str(cut)) as container:
        plain = [number(frame.to_ndarray(format='bgr24')) for frame in container.decode(video=0)]
    assert [number(frame) for frame in frames] == plain


#: ``a, b, c, d`` of the display matrix, and the same turn of an array.
MATRICES = {
    'as it is': ((1, 0, 0, 1), lambda x: x),
    'mirrored': ((-1, 0, 0, 1), lambda x: x[:, ::-1]),
    'upside down': ((1, 0, 0, -1), lambda x: x[::-1]),
    'turned by 180': ((-1, 0, 0, -1), lambda x: x[::-1, ::-1]),
    'transposed': ((0, 1, 1, 0), lambda x: x.swapaxes(0, 1)),
    'clockwise': ((0, 1, -1, 0), lambda x: np.rot90(x, -1)),
    'counterclockwise': ((0, -1, 1, 0), lambda x: np.rot90(x)),
    'transposed the other way': ((0, -1, -1, 0), lambda x: x[::-1, ::-1].swapaxes(0, 1)),
}


@pytest.mark.process
@pytest.mark.parametrize('name', MATRICES)
@pytest.mark.parametrize('gray', [False, True])
def test_all_eight_display_matrices(tmp_path, name, gray):
    (a, b, c, d), turn = MATRICES[name]
    path = encoded(tmp_path / 'x.mp4', H264)
    (_, stored), *_rest = open_clip(path).iter_frames(7, 8, gray=gray)
    data = bytearray(path.read_bytes())
    matrix_at = data.index(b'tkhd') + 44
    values = (a, b, 0, c, d, 0, 96 * (a < 0 or c < 0), 64 * (b < 0 or d < 0), 1)
    data[matrix_at : matrix_at + 36] = struct.pack(
        '>9i', *(v * (1 << 30 if i % 3 == 2 else 1 << 16) for i, v in enumerate(values))
    )
    path.write_bytes(data)
    clip = open_clip(path)
    (_, shown), *_rest = clip.iter_frames(7, 8, gray=gray)
    np.testing.assert_array_equal(shown, turn(stored))
    assert clip.size_wh == (shown.shape[1], shown.shape[0])
    (_, small), *_rest = clip.iter_frames(
        7, 8, size_wh=(clip.size_wh[0] // 2, clip.size_wh[1] // 2), gray=gray
    )
    assert small.shape[:2] == (clip.size_wh[1] // 2, clip.size_wh[0] // 2)


def test_a_file_without_frames_is_named(tmp_path):
    for name in ('nothing.avi', 'nothing.mkv'):
        with av.open(str(tmp_path / name), 'w') as container:
            stream = container.add_stream('mpeg4', rate=25)
            stream.width, stream.height = 96, 64
            container.start_encoding()
        with pytest.raises(ClipError, match=rf'{name}: (no frame|not a readable)'):
            open_clip(tmp_path / name)


def test_a_changed_file_is_indexed_again(tmp_path):
    path = encoded(tmp_path / 'x.ts', H264)
    assert len(open_clip(path)) == COUNT
    encoded(path, H264, FRAMES[:20])
    assert len(open_clip(path)) == 20


def test_endings_of_camcorders_and_discs_are_video():
    assert {'.mts', '.m2ts', '.3gp', '.ogv', '.vob', '.mxf', '.asf'} <= VIDEO_SUFFIXES
