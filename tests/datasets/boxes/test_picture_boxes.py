"""Entropy and saliency boxes on images whose answer is known, against a slow search, and on images
without an answer."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from pytest import approx
from skimage.measure import shannon_entropy

from usot_plugin.datasets import EntropyBoxes, PseudoBoxDataset, SaliencyBoxes
from usot_plugin.datasets.boxes.picture_boxes import (
    most_informative_box,
    most_salient_box,
    spectral_residual,
)
from usot_plugin.structures.boxes import iou


def source(cls, **kwargs):
    """A box source without clips, for its way of looking."""
    made = cls.__new__(cls)
    defaults = {
        EntropyBoxes: dict(share=(0.25, 0.25), work_px=128, bins=16),
        SaliencyBoxes: dict(share=(0.05, 0.5), work_px=64),
    }
    for key, value in {**defaults[cls], **kwargs}.items():
        setattr(made, key, value)
    return made


def test_the_noisy_patch_has_the_highest_entropy():
    rng = np.random.default_rng(0)
    image = np.full((120, 160, 3), 90, np.uint8)
    image[:40] = np.linspace(80, 120, 160)[None, :, None]  # a slope has some, too
    image[70:100, 100:140] = rng.integers(0, 256, (30, 40, 1))
    box = source(EntropyBoxes, bins=32).find_box(image, rng)
    assert iou(box, np.array([100.0, 70, 140, 100])) > 0.85


def test_entropy_search_equals_a_slow_one():
    rng = np.random.default_rng(1)
    image = cv2.GaussianBlur(rng.integers(0, 256, (24, 30)).astype(np.uint8), (0, 0), 2)
    width, height = 9, 7
    entropies = {
        (y, x): shannon_entropy(image[y : y + height, x : x + width].astype(int) * 16 // 256)
        for y in range(24 - height + 1)
        for x in range(30 - width + 1)
    }
    x1, y1, x2, y2 = most_informative_box(image, (width, height)).astype(int)
    assert (x2 - x1, y2 - y1) == (width, height)
    assert entropies[y1, x1] == approx(max(entropies.values()))


def test_entropy_boxes_have_the_asked_size():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (200, 400, 3)).astype(np.uint8)
    boxes = np.stack(
        [source(EntropyBoxes, share=(1 / 8, 1 / 4)).find_box(image, rng) for _ in range(40)]
    )
    sizes = (boxes[:, 2:] - boxes[:, :2]) / (400, 200)
    assert (boxes >= 0).all() and (boxes <= (400, 200, 400, 200)).all()
    assert sizes.min() > 1 / 8 - 1 / 64 and sizes.max() < 1 / 4 + 1 / 64 and np.ptp(sizes) > 0.08


@pytest.mark.parametrize('centre', [(60, 50), (120, 90), (40, 95)])
def test_the_odd_thing_out_is_salient(centre):
    # Stripes everywhere, and one disc: what does not repeat stands out.
    y, x = np.mgrid[:140, :180]
    image = (120 + 25 * np.sin(x / 3.0)).astype(np.uint8)
    image = cv2.circle(np.dstack([image] * 3), centre, 12, (250, 250, 250), -1)
    box = source(SaliencyBoxes).find_box(image, np.random.default_rng(0))
    assert (
        iou(box, np.array([centre[0] - 12, centre[1] - 12, centre[0] + 12, centre[1] + 12], float))
        > 0.25
    )  # the smoothing makes it larger
    assert (box[:2] + box[2:]) / 2 == approx(np.array(centre), abs=6)


def test_saliency_peaks_where_the_point_is():
    image = np.full((48, 64), 40, np.uint8)
    image[20:23, 40:43] = 200
    assert np.unravel_index(spectral_residual(image).argmax(), image.shape) == approx(
        (21, 41), abs=2
    )


def test_saliency_boxes_keep_their_limits():
    image = np.full((100, 200, 3), 40, np.uint8)
    image[50, 120] = 255
    box = source(SaliencyBoxes, share=(0.2, 0.3)).find_box(image, np.random.default_rng(0))
    assert (box[2:] - box[:2]) / (200, 100) == approx(np.array([0.2, 0.25]), abs=0.1)


@pytest.mark.parametrize('value', [0, 90, 255])
def test_a_flat_image_has_no_answer(value):
    image = np.full((40, 60), value, np.uint8)
    assert most_informative_box(image, (10, 10)) is None and most_salient_box(image) is None


@pytest.mark.parametrize('box_source', ['entropy', 'saliency'])
def test_flat_frames_are_named_and_others_drawn(tmp_path, box_source):
    rng = np.random.default_rng(0)
    cv2.imwrite(str(tmp_path / 'black.png'), np.zeros((40, 60, 3), np.uint8))
    cv2.imwrite(str(tmp_path / 'noise.png'), rng.integers(0, 256, (80, 60, 3)).astype(np.uint8))
    sampler = dict(type='WindowFrames', count=1, span=1, views=dict(template=[0], search=[0]))
    dataset = PseudoBoxDataset(
        box_source, images=tmp_path, frame_sampler=sampler, samples_per_epoch=8
    )
    assert {dataset[i]['clip'] for i in range(8)} == {'noise.png'}
    assert dataset._reported == {
        'black.png, frame 0: the frame is flat, no region of it stands out'
    }


@pytest.mark.parametrize('shape', [(1, 1), (3, 2), (5, 400)])
@pytest.mark.parametrize('cls', [EntropyBoxes, SaliencyBoxes])
def test_tiny_and_narrow_images_do_no_harm(cls, shape):
    from usot_plugin.datasets import NoFrameError

    image = np.random.default_rng(0).integers(0, 256, (*shape, 3)).astype(np.uint8)
    try:
        box = source(cls).find_box(image, np.random.default_rng(0))
    except NoFrameError as error:
        assert 'flat' in str(error)
    else:
        assert (
            (box[2:] > box[:2]).all()
            and (box >= 0).all()
            and (box <= (shape[1], shape[0]) * 2).all()
        )


@pytest.mark.parametrize(
    'options', [dict(share=(0, 0.5)), dict(share=(0.5, 0.2)), dict(work_px=2), dict(bins=1)]
)
def test_impossible_options_are_refused(tmp_path, options):
    cv2.imwrite(str(tmp_path / 'a.png'), np.zeros((9, 9, 3), np.uint8))
    with pytest.raises(ValueError, match='EntropyBoxes'):
        EntropyBoxes(images=tmp_path, **options)
