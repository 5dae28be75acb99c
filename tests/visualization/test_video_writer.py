"""Videos are written whole or not at all, and can be read back."""

from __future__ import annotations

import av
import numpy as np
import pytest

from usot_plugin.structures.clip import open_clip
from usot_plugin.testing.media import moving_square_frames
from usot_plugin.visualization.video_writer import VideoWriteError, VideoWriter, available_encoder


@pytest.mark.parametrize('encoder', [None, 'mpeg4'])
@pytest.mark.parametrize('size_wh', [(96, 72), (97, 71)])
def test_round_trip(tmp_path, encoder, size_wh):
    frames, _ = moving_square_frames(9, size_wh)
    with VideoWriter(tmp_path / 'new' / 'v.mp4', 10, encoder) as writer:
        for frame in frames:
            writer.write(frame)
    clip = open_clip(tmp_path / 'new' / 'v.mp4')
    width, height = size_wh
    assert (
        clip.frame_count == 9
        and clip.fps == 10
        and clip.size_wh == (width + width % 2, height + height % 2)
    )
    for index in (0, 8):
        assert np.abs(clip.read(index)[:height, :width].astype(int) - frames[index]).mean() < 12
    assert [path.name for path in (tmp_path / 'new').iterdir()] == ['v.mp4']


def test_every_player_can_show_it(tmp_path):
    with VideoWriter(tmp_path / 'v.mp4') as writer:
        writer.write(np.zeros((32, 32, 3), np.uint8))
    with av.open(str(tmp_path / 'v.mp4')) as container:
        assert container.streams.video[0].codec_context.pix_fmt == 'yuv420p'
        assert container.streams.video[0].codec_context.name in ('h264', 'mpeg4')
    assert available_encoder() in ('libx264', 'libopenh264', 'h264', 'mpeg4')


@pytest.mark.parametrize('fps', [0.0, float('nan'), 23.976, 1000.0])
def test_any_rate(tmp_path, fps):
    with VideoWriter(tmp_path / 'v.mp4', fps) as writer:
        for _ in range(3):
            writer.write(np.zeros((32, 32, 3), np.uint8))
    assert open_clip(tmp_path / 'v.mp4').frame_count == 3


def test_a_failing_block_leaves_nothing_and_keeps_what_was_there(tmp_path):
    (tmp_path / 'v.mp4').write_bytes(b'old')
    with pytest.raises(KeyError), VideoWriter(tmp_path / 'v.mp4') as writer:
        writer.write(np.zeros((32, 32, 3), np.uint8))
        raise KeyError
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b'old']


def test_no_frame_is_an_error(tmp_path):
    with pytest.raises(VideoWriteError, match='no frame to write'), VideoWriter(tmp_path / 'v.mp4'):
        pass
    assert not list(tmp_path.iterdir())


def test_frames_of_another_size(tmp_path):
    with (
        pytest.raises(VideoWriteError, match='frame 1 is 40x32'),
        VideoWriter(tmp_path / 'v.mp4') as writer,
    ):
        writer.write(np.zeros((32, 32, 3), np.uint8))
        writer.write(np.zeros((32, 40, 3), np.uint8))
    assert not list(tmp_path.iterdir())


def test_where_nothing_can_be_written(tmp_path):
    (tmp_path / 'file').write_text('x')
    with (
        pytest.raises(VideoWriteError, match=r'v.mp4: cannot be written'),
        VideoWriter(tmp_path / 'file' / 'v.mp4'),
    ):
        pass
    with (
        pytest.raises(VideoWriteError, match='cannot be written'),
        VideoWriter(tmp_path / 'v.unknown'),
    ):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ['file']


def test_outside_a_with_block(tmp_path):
    with pytest.raises(RuntimeError, match='context manager'):
        VideoWriter(tmp_path / 'v.mp4').write(np.zeros((32, 32, 3), np.uint8))
