"""A clip of named image files: a part of a folder, opened without reading anything."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from usot_plugin.structures.clip import ClipError, FolderClip
from usot_plugin.structures.frame_files import FrameFilesClip
from usot_plugin.testing.media import moving_square_frames, write_frames


@pytest.fixture
def folder(tmp_path):
    return write_frames(tmp_path / 'img', moving_square_frames(6)[0])


def test_is_the_whole_folder_or_a_part_of_it(folder):
    names = sorted(file.name for file in folder.iterdir())
    whole, part, known = (
        FrameFilesClip(folder, names),
        FrameFilesClip(folder, names[2:5], 'part', fps=30),
        FolderClip(folder),
    )
    assert (part.name, part.fps, len(part), part.size_wh, whole.name) == (
        'part',
        30,
        3,
        (96, 72),
        'img',
    )
    np.testing.assert_array_equal(part.read(0), known.read(2))
    assert [index for index, _ in part.iter_frames(1)] == [1, 2]
    assert part.fingerprint() != whole.fingerprint() == FrameFilesClip(folder, names).fingerprint()
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(part)).read(2), known.read(4))


def test_opening_reads_nothing(tmp_path):
    clip = FrameFilesClip(tmp_path / 'nowhere', ['1.jpg'])
    with pytest.raises(ClipError, match='1.jpg, frame 0: cannot be opened'):
        _ = clip.size_wh
    with pytest.raises(ClipError, match='no image in this folder'):
        FrameFilesClip(tmp_path, [])


def test_another_size_is_named(folder):
    write_frames(folder, moving_square_frames(1, (48, 36))[0], first=4)
    clip = FrameFilesClip(folder, [f'{index:05d}.png' for index in range(1, 7)])
    with pytest.raises(
        ClipError, match='00004.png, frame 3: size 48x36 differs from the first frame 96x72'
    ):
        clip.read(3)
