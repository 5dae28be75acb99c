"""Single images as clips: every pixel format, nothing read too early, and broken files named."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from usot_plugin.structures.clip import ClipError, FolderClip
from usot_plugin.structures.image_clip import ImageClip, open_clip_or_image

PICTURE = (np.arange(12 * 16 * 3) % 251).reshape(12, 16, 3).astype(np.uint8)
GRAY = PICTURE[..., 1]
FORMATS = {
    'colour': (PICTURE, PICTURE),
    'gray': (GRAY, np.repeat(GRAY[..., None], 3, -1)),
    'alpha': (np.dstack([PICTURE, np.full((12, 16), 7, np.uint8)]), PICTURE),
    'colour16': (PICTURE.astype(np.uint16) * 256 + 255, PICTURE),
    'gray16': (GRAY.astype(np.uint16) * 256, np.repeat(GRAY[..., None], 3, -1)),
    'one_pixel': (PICTURE[:1, :1], PICTURE[:1, :1]),
}


@pytest.mark.parametrize('kind', FORMATS)
def test_every_pixel_format_becomes_8_bit_bgr(tmp_path, kind):
    stored, expected = FORMATS[kind]
    cv2.imwrite(str(tmp_path / 'a.png'), stored)
    clip = open_clip_or_image(tmp_path / 'a.png')
    assert isinstance(clip, ImageClip) and len(clip) == 1
    assert clip.size_wh == (expected.shape[1], expected.shape[0])
    assert clip.read(0).dtype == np.uint8 and np.abs(clip.read(0).astype(int) - expected).max() <= 1
    ((index, gray),) = clip.iter_frames(size_wh=(8, 6), gray=True)
    assert index == 0 and gray.shape == (6, 8)


def test_opening_reads_nothing_and_reading_names_what_is_broken(tmp_path):
    for name, content in (('text.jpg', b'no image at all'), ('empty.png', b'')):
        (tmp_path / name).write_bytes(content)
        clip = open_clip_or_image(tmp_path / name)
        with pytest.raises(ClipError, match=f'{name}: not an image'):
            clip.read(0)
    with pytest.raises(ClipError, match=r'gone\.jpg: no such image'):
        open_clip_or_image(tmp_path / 'gone.jpg')
    cv2.imwrite(str(tmp_path / 'good.png'), PICTURE)
    with pytest.raises(IndexError):
        ImageClip(tmp_path / 'good.png').read(1)


def test_a_folder_is_a_clip_even_if_its_name_ends_like_an_image(tmp_path):
    folder = tmp_path / 'odd.png'
    folder.mkdir()
    cv2.imwrite(str(folder / '1.png'), PICTURE)
    assert isinstance(open_clip_or_image(folder), FolderClip)


def test_fingerprints_tell_images_apart(tmp_path):
    cv2.imwrite(str(tmp_path / 'a.png'), PICTURE)
    cv2.imwrite(str(tmp_path / 'b.png'), 255 - PICTURE)
    assert (
        ImageClip(tmp_path / 'a.png').fingerprint() != ImageClip(tmp_path / 'b.png').fingerprint()
    )
