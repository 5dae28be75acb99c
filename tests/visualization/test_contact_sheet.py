"""Evenly spaced frames of videos of any length."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from usot_plugin.visualization.contact_sheet import KEPT_FACTOR, TILE_WIDTH_PX, ContactSheet


def picked(length: int, frames: int) -> tuple[np.ndarray, int, int]:
    """Which frames are on the sheet, told by their brightness, and its rows and columns."""
    sheet = ContactSheet(frames)
    for index in range(length):
        sheet.add(np.array([index % 256, index // 256, 7], np.uint8) * np.ones((2, 3, 1), np.uint8))
        assert len(sheet._tiles) <= 2 * KEPT_FACTOR * frames
    cells = sheet.draw()[::2, ::3].astype(int)
    indices = (cells[..., 0] + 256 * cells[..., 1])[cells[..., 2] == 7]
    return indices, *cells.shape[:2]


@pytest.mark.parametrize(
    'length, frames', [(80, 8), (8, 8), (129, 8), (1000, 8), (5000, 3), (57, 5)]
)
def test_frames_are_evenly_spaced_from_first_to_last(length, frames):
    indices, rows, columns = picked(length, frames)
    assert len(indices) == frames and indices[0] == 0 and indices[-1] == length - 1
    assert (rows, columns) == (-(-frames // 4), min(4, frames))
    spacing = (length - 1) / (frames - 1)
    assert np.abs(np.diff(indices) - spacing).max() <= max(1, spacing / 4)


def test_a_short_video_has_all_its_frames():
    assert picked(3, 8)[0].tolist() == [0, 1, 2]
    assert picked(1, 1)[0].tolist() == [0]
    with pytest.raises(ValueError, match='without a frame'):
        ContactSheet(4).draw()


@pytest.mark.parametrize('suffix', ['.png', '.jpg'])
def test_wide_frames_are_shrunk_and_the_file_is_written(tmp_path, suffix):
    sheet = ContactSheet(2)
    frame = np.full((TILE_WIDTH_PX, 2 * TILE_WIDTH_PX, 3), 90, np.uint8)
    sheet.add(frame)
    frame[:] = 200  # the caller's own
    sheet.write(tmp_path / f'new/s{suffix}')
    image = cv2.imread(str(tmp_path / f'new/s{suffix}'))
    assert (
        image.shape == (TILE_WIDTH_PX // 2, TILE_WIDTH_PX, 3)
        and np.abs(image.astype(int) - 90).max() < 3
    )


@pytest.mark.parametrize('name', ['s.mp4', 's', '.jpg'])
def test_other_formats_are_refused(tmp_path, name):
    sheet = ContactSheet(2)
    sheet.add(np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(
        ValueError, match='no image format that can be written; call it .jpg or .png'
    ):
        sheet.write(tmp_path / name)
    assert not list(tmp_path.iterdir())
