from __future__ import annotations

import numpy as np
import pytest
from pytest import approx

from usot_plugin.datasets.transforms import (
    PackSOTInputs,
    SiameseCrop,
    View,
    ViewFlip,
    ViewPerspective,
)
from usot_plugin.datasets.transforms.augment import flip_view
from usot_plugin.structures.crops import context_side

NAMES = ('template', 'search', 'memory')


def rectangle(box, size_wh=(320, 240)) -> View:
    """A white rectangle (whole pixels) on black."""
    x1, y1, x2, y2 = box
    image = np.zeros((size_wh[1], size_wh[0], 3), np.uint8)
    image[y1:y2, x1:x2] = 255
    return View(image, np.array(box, float), 0, np.zeros(3))


def measured(view: View) -> np.ndarray:
    """Box of the white pixels."""
    rows, columns = np.where(view.image[..., 0] > 127)
    return np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1], float)


def run(transforms, seed=0, **views):
    results = {
        'views': views,
        'view_names': NAMES,
        'rng': np.random.default_rng(seed),
        'clip': 'c',
        'object_id': 0,
    }
    for transform in transforms:
        results = transform(results)
    return results


@pytest.mark.parametrize('seed', range(25))
def test_the_object_is_where_its_box_says_after_crop_jitter_and_flip(seed):
    rng = np.random.default_rng(1000 + seed)
    corner, size = rng.integers(0, 150, 2), rng.integers(15, 80, 2)
    view = rectangle((*corner, *(corner + size)))
    steps = [
        SiameseCrop(['search'], 255, shift_px=40, scale=0.18),
        ViewFlip(['search'], prob=0.5),
        ViewFlip(['search'], prob=0.5, axis='vertical'),
    ]
    (cropped,) = run(steps, seed, search=[view])['views']['search']
    inside = np.clip(cropped.box_xyxy, 0, 255)
    assert cropped.image.shape == (255, 255, 3)
    # Enlarged up to 9 times here, so an edge is blurred over several pixels; half grey stays at the
    # edge.
    assert np.abs(measured(cropped) - inside).max() <= 1


def test_perspective_moves_the_corners_and_the_box_encloses_them():
    for seed in range(20):
        view = rectangle((60, 50, 200, 190), (255, 255))
        (warped,) = run([ViewPerspective(['template'], scale=(0.02, 0.07))], seed, template=[view])[
            'views'
        ]['template']
        assert np.abs(measured(warped) - np.clip(warped.box_xyxy, 0, 255)).max() <= 1.5
        assert not np.allclose(warped.box_xyxy, view.box_xyxy)


def test_a_template_without_jitter_shows_the_context_square():
    view = rectangle((100, 100, 140, 130))
    (cropped,) = run([SiameseCrop(['template'], 127)], template=[view])['views']['template']
    box = cropped.box_xyxy
    side = round(context_side(40, 30))
    assert (box[2] - box[0], box[3] - box[1]) == approx((40 * 127 / side, 30 * 127 / side))
    # The release's half side is (side + 1) / 2: the target sits half a frame pixel right of the
    # middle, up to rounding.
    assert np.abs((box[:2] + box[2:]) / 2 - 63.5).max() <= 127 / side + 1e-9


def test_a_search_area_is_twice_the_template_and_one_pixel():
    view = rectangle((100, 100, 140, 130))
    views = run(
        [SiameseCrop(['template'], 127), SiameseCrop(['search'], 255)],
        template=[view],
        search=[view],
    )['views']
    widths = [v.box_xyxy[2] - v.box_xyxy[0] for (v,) in views.values()]
    assert widths[0] == approx(widths[1], rel=0.02)  # the same scale in both


def test_jitter_is_uniform_within_its_limits():
    view = rectangle((300, 300, 400, 400), (700, 700))
    crop = SiameseCrop(['search'], 255, shift_px=64, scale=0.18)
    rng = np.random.default_rng(0)
    drawn = [crop.draw(view, rng) for _ in range(4000)]
    shifts, scales = (
        np.stack([d['shift_xy'] for d in drawn]),
        np.stack([d['scale_xy'] for d in drawn]),
    )
    for values, low, high in ((shifts, -64, 64), (scales, 0.82, 1.18)):
        assert low <= values.min() and values.max() <= high
        assert values.std() == approx((high - low) / 12**0.5, rel=0.03)  # of a uniform distribution
        assert values.mean() == approx((low + high) / 2, abs=0.03 * (high - low))
    assert abs(np.corrcoef(scales.T)[0, 1]) < 0.06  # the axes draw by themselves


def test_one_factor_for_both_axes_on_request():
    draw = SiameseCrop(['search'], 255, scale=0.1, keep_aspect=True).draw(
        rectangle((0, 0, 9, 9)), np.random.default_rng(0)
    )
    assert draw['scale_xy'][0] == draw['scale_xy'][1] != 1


def test_the_shift_moves_the_target_the_other_way_in_crop_pixels():
    view = rectangle((300, 300, 400, 400), (700, 700))
    still = SiameseCrop(['search'], 255).apply(view, np.zeros(2), np.ones(2))
    moved = SiameseCrop(['search'], 255).apply(view, np.array([30.0, -20.0]), np.ones(2))
    assert moved.box_xyxy - still.box_xyxy == approx(np.array([-30, 20, -30, 20]), abs=0.5)


def test_a_window_in_multiples_of_the_box():
    view = rectangle((100, 90, 160, 120))
    (cropped,) = run([SiameseCrop(['template'], 125, window='scaled', scaled=3)], template=[view])[
        'views'
    ]['template']
    assert cropped.box_xyxy[2:] - cropped.box_xyxy[:2] == approx(np.array([125, 125]) / 3)


def test_images_are_never_changed_in_place():
    view = rectangle((100, 100, 140, 130))
    before = view.image.copy()
    run(
        [ViewFlip(['template'], 1.0), SiameseCrop(['template'], 127, shift_px=4, scale=0.05)],
        template=[view],
    )
    np.testing.assert_array_equal(view.image, before)


def test_flips_undo_themselves():
    view = rectangle((10, 20, 100, 60))
    for axis in ('horizontal', 'vertical'):
        twice = flip_view(flip_view(view, axis), axis)
        np.testing.assert_array_equal(twice.image, view.image)
        np.testing.assert_allclose(twice.box_xyxy, view.box_xyxy)


def test_a_view_that_the_sampler_never_gives_is_refused():
    with pytest.raises(KeyError, match='serch'):
        run([SiameseCrop(['serch'], 255)], search=[rectangle((1, 1, 9, 9))])


def test_memory_may_be_absent():
    results = run([SiameseCrop(['search', 'memory'], 255)], search=[rectangle((10, 10, 90, 90))])
    assert set(results['views']) == {'search'}


@pytest.mark.parametrize(
    'kwargs', [{'window': 'round'}, {'size': 0}, {'shift_px': -1}, {'scale': 1.0}]
)
def test_impossible_crops_are_refused(kwargs):
    with pytest.raises(ValueError, match='SiameseCrop'):
        SiameseCrop(**{'views': ['search'], 'size': 255, **kwargs})


def test_pack():
    boxes = [(10, 10, 90, 90), (20, 20, 60, 70)]
    steps = [SiameseCrop(['template'], 127), SiameseCrop(['search', 'memory'], 255)]
    results = run(
        steps,
        template=[rectangle(boxes[0])],
        search=[rectangle(boxes[0])],
        memory=[rectangle(b) for b in boxes],
    )
    packed = PackSOTInputs()(results)
    inputs, sample = packed['inputs'], packed['data_samples']
    assert {k: tuple(v.shape) for k, v in inputs.items()} == {
        'template': (3, 127, 127),
        'search': (3, 255, 255),
        'memory': (2, 3, 255, 255),
    }
    assert all(str(v.dtype) == 'torch.uint8' and v.is_contiguous() for v in inputs.values())
    np.testing.assert_array_equal(
        inputs['memory'][1].numpy().transpose(1, 2, 0), results['views']['memory'][1].image
    )
    assert sample.memory_boxes_xyxy.shape == (2, 4) and sample.search_box_xyxy.shape == (4,)
    assert (sample.clip, sample.object_id, sample.frame_index, sample.memory_indices) == (
        'c',
        0,
        0,
        [0, 0],
    )


def test_pack_without_memory_and_with_other_views():
    view = rectangle((10, 10, 90, 90))
    packed = PackSOTInputs()(run([], template=[view], search=[view]))
    assert set(packed['inputs']) == {'template', 'search'}
    results = {**run([], frames=[view] * 3), 'view_names': ('frames',)}
    packed = PackSOTInputs(single=(), stacked=('frames',))(results)
    assert packed['inputs']['frames'].shape == (3, 3, 240, 320)
    assert packed['data_samples'].frames_boxes_xyxy.shape == (3, 4)
    with pytest.raises(KeyError, match='memory'):
        PackSOTInputs()(results)
