"""SiamFC's tracker: it finds what moved, batches equal single targets, states are not changed, and
odd frames do no harm."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from usot_plugin.datasets.synthetic.clips import render_clip
from usot_plugin.models import S2SiamFC, SiamFC
from usot_plugin.structures.boxes import cxcywh_to_xyxy, iou, xyxy_to_cxcywh
from usot_plugin.tracking import build_tracker
from usot_plugin.tracking.siamese_geometry import hann_window
from usot_plugin.tracking.siamfc.first_frame import FirstFrameTuning, first_frame_pairs
from usot_plugin.tracking.siamfc.tracker import SiamFCTracker, find_peak

NARROW = dict(type='SiamFCAlexNet', width=1 / 8)


def make_model(cls=SiamFC, **kwargs) -> SiamFC:
    torch.manual_seed(0)
    statistics = dict(type='SOTDataPreprocessor', mean=[115.0] * 3, std=[58.0] * 3)
    model = cls(NARROW, data_preprocessor=statistics, **kwargs)
    # Random features correlate with anything bright; taking the channel means off makes the
    # response a matter of pattern.
    with torch.no_grad():
        last = model.backbone.conv5[0]
        last.weight -= last.weight.mean((1, 2, 3), keepdim=True)
        model.response_norm.weight.fill_(1e-2)
    return model.eval()


def textured(width: int = 320, height: int = 240) -> np.ndarray:
    rng = np.random.default_rng(0)
    coarse = rng.integers(60, 190, (height // 8, width // 8, 3)).astype(np.uint8)
    return np.kron(coarse, np.ones((8, 8, 1), np.uint8))


def run(tracker, frames, box):
    state = tracker.init(frames[0], np.asarray(box, float))
    rows = []
    for frame in frames[1:]:
        prediction, state = tracker.update(frame, state)
        rows.append(prediction.boxes_xyxy)
    return np.stack(rows), state


def test_a_moved_picture_is_followed():
    picture = textured()
    moved = [np.roll(picture, (4 * t, -6 * t), (0, 1)) for t in range(5)]
    boxes, _ = run(SiamFCTracker(make_model(), scales=1), moved, [140, 100, 190, 140])
    expected = [[140 - 6 * t, 100 + 4 * t, 190 - 6 * t, 140 + 4 * t] for t in range(1, 5)]
    assert np.abs(boxes[:, 0] - expected).max() < 2


def test_a_still_picture_is_not_left():
    # Regions are rounded to whole pixels in template and search area alike: nothing may add up over
    # the frames.
    boxes, _ = run(
        SiamFCTracker(make_model(), scales=1), [textured()] * 15, [120.3, 80.7, 161.1, 122.2]
    )
    assert np.abs(boxes[-1, 0] - [120.3, 80.7, 161.1, 122.2]).max() < 1  # an eighth of a cell
    assert np.abs(boxes[-1] - boxes[3]).max() < 0.1


def test_a_rendered_target_is_held():
    frames, boxes = render_clip(3, 15, (320, 240), speed_px=2.0, camera_px=4.0, occluders=0)
    found, _ = run(SiamFCTracker(make_model()), frames, boxes[0, 0])
    assert iou(found[:, 0], boxes[0, 1:]).mean() > 0.4


def fine_maps(peak=(8, 8), scales=3, best=1, height=1.0) -> np.ndarray:
    maps = np.zeros((scales, 17, 17))
    maps[best][peak] = height
    return maps


def peak_of(maps, influence=0.176, penalty=0.9745, cell_px=0.5):
    window = hann_window(maps.shape[-1])
    penalties = np.full(len(maps), penalty)
    penalties[len(maps) // 2] = 1
    return find_peak(maps, window / window.sum(), penalties, influence, cell_px)


def test_peak_rows_are_y_and_are_counted_from_the_middle():
    peak = peak_of(fine_maps((3, 12)), influence=0)
    assert peak.scale == 1 and peak.shift_px.tolist() == [2.0, -2.5] and not peak.flat
    assert peak.score == pytest.approx(1 / (1 + np.exp(-1)))


@pytest.mark.parametrize(('outer', 'scale'), [(1.01, 1), (1.03, 2)])
def test_another_scale_must_be_clearly_better(outer, scale):
    maps = fine_maps()
    maps[2, 8, 8] = outer
    assert peak_of(maps).scale == scale


def test_the_penalty_is_a_loss_below_zero_too():
    maps = fine_maps(height=-1.0) - 3
    maps[1, 8, 8], maps[2, 8, 8] = -1.0, -0.99
    assert peak_of(maps).scale == 1


def test_the_window_decides_between_equal_peaks():
    maps = fine_maps((8, 15))
    maps[1, 8, 9] = 1.0
    assert peak_of(maps).shift_px.tolist() == [0.5, 0.0]


@pytest.mark.parametrize('value', [0.0, -7.5, np.nan, np.inf])
def test_a_flat_or_broken_response_says_nothing(value):
    peak = peak_of(np.full((3, 17, 17), value))
    assert peak.flat and peak.score == 0 and peak.shift_px.tolist() == [0, 0]


def test_a_target_stays_where_nothing_can_be_seen():
    frames = [textured(), *[np.zeros((240, 320, 3), np.uint8)] * 4]
    model = make_model()
    tracker = SiamFCTracker(model, template_rate=0.5, lost_score=0.9, lost_frames=3)
    state = first = tracker.init(frames[0], np.array([140.0, 100, 190, 140]))
    lost = []
    for frame in frames[1:]:
        prediction, state = tracker.update(frame, state)
        lost.append(bool(prediction.lost[0]))
    assert prediction.boxes_xyxy[0] == pytest.approx([140, 100, 190, 140]) and lost == [
        False,
        False,
        True,
        True,
    ]
    assert torch.equal(state[0].template, first[0].template)  # what is not seen is not learnt


def test_a_black_first_frame_is_survived():
    black = np.zeros((120, 160, 3), np.uint8)
    boxes, _ = run(SiamFCTracker(make_model()), [black] * 3, [40, 30, 80, 70])
    assert np.isfinite(boxes).all()


@pytest.mark.parametrize(
    ('width', 'height', 'box'), [(24, 18, [6, 5, 15, 12]), (1, 1, [0, 0, 1, 1])]
)
def test_frames_smaller_than_any_crop(width, height, box):
    frames = list(np.random.default_rng(0).integers(0, 256, (4, height, width, 3), dtype=np.uint8))
    boxes, _ = run(SiamFCTracker(make_model(), template_rate=0.1), frames, box)
    assert np.isfinite(boxes).all() and (boxes[..., 2:] > boxes[..., :2]).all()


@pytest.mark.parametrize(
    'box',
    [
        [0, 0, 40, 30],
        [290, 220, 330, 260],
        [-30, 100, 20, 140],
        [150, 110, 151, 111],
        [0, 0, 320, 240],
    ],
)
def test_targets_at_the_border_tiny_and_large(box):
    frames = [textured()] * 4
    found, _ = run(SiamFCTracker(make_model()), frames, box)
    centre = xyxy_to_cxcywh(found[:, 0])
    assert np.isfinite(found).all() and (centre[:, 2:] > 0).all()
    assert (centre[:, :2] >= 0).all() and (centre[:, :2] <= (320, 240)).all()


def test_size_stays_within_its_limits_and_keeps_its_shape():
    tracker = SiamFCTracker(make_model(), scale_lr=1.0, scale_step=3.0)
    state = tracker.init(textured(), np.array([140.0, 100, 190, 140]))[0]
    windows = [tracker._window(state.box_cxcywh, 255, factor) for factor in tracker.factors]
    for scale, limit in ((2, 5.0), (0, 0.2)):
        grown = state
        for _ in range(6):
            peak = peak_of(fine_maps(best=scale))
            grown = tracker._move(textured(), grown, windows, peak)
        assert grown.box_cxcywh[2:] == pytest.approx(limit * state.first_wh)


@pytest.mark.process
@pytest.mark.parametrize(
    'options', [{}, dict(template_rate=0.3), dict(tuning=dict(iterations=2, pairs=2, lr=1e-3))]
)
def test_several_targets_at_once_equal_one_at_a_time(options):
    frames, _ = render_clip(1, 4, (320, 240))
    targets = np.array([[60.0, 60, 110, 100], [200, 120, 230, 180], [10, 150, 90, 200]])
    tracker = SiamFCTracker(make_model(), **options)
    together, state = run(tracker, frames, targets)
    for index, box in enumerate(targets):
        alone, _ = run(tracker, frames, box)
        assert np.abs(together[:, index] - alone[:, 0]).max() < 1e-2
    assert len({id(target.model) for target in state}) == (3 if 'tuning' in options else 1)


def test_targets_may_live_in_different_videos_and_a_state_can_be_used_twice():
    frames, _ = render_clip(1, 2, (320, 240))
    other = np.ascontiguousarray(frames[0][:160, :200])
    tracker = SiamFCTracker(make_model(), template_rate=0.2)
    state = tracker.init([frames[0], other], np.array([[60.0, 60, 110, 100], [20, 20, 70, 90]]))
    before = copy.deepcopy([target.template for target in state])
    first, _ = tracker.update([frames[1], other], state)
    again, _ = tracker.update([frames[1], other], state)
    assert np.array_equal(first.boxes_xyxy, again.boxes_xyxy)
    assert all(torch.equal(old, target.template) for old, target in zip(before, state, strict=True))


def test_linear_update_moves_the_template_by_its_rate():
    frames = [textured(), np.ascontiguousarray(textured()[::-1])]
    model = make_model()
    tracker = SiamFCTracker(model, template_rate=0.0102)
    state = tracker.init(frames[0], np.array([140.0, 100, 190, 140]))
    _, updated = tracker.update(frames[1], state)
    seen = tracker.init(frames[1], cxcywh_to_xyxy(updated[0].box_cxcywh))
    expected = (1 - 0.0102) * state[0].template + 0.0102 * seen[0].template
    torch.testing.assert_close(updated[0].template, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.process
@pytest.mark.parametrize('cls', [SiamFC, S2SiamFC])
def test_tuning_lowers_the_loss_of_the_first_frame_and_leaves_the_model_alone(cls):
    frames, boxes = render_clip(3, 1, (320, 240))
    model = make_model(cls)
    weights = copy.deepcopy(model.state_dict())
    tuning = dict(iterations=8, lr=1e-3, pairs=4)
    tracker = SiamFCTracker(model, tuning=tuning)
    target = tracker.init(frames[0], boxes[0, 0])[0]
    assert target.model is not model
    assert all(torch.equal(value, weights[name]) for name, value in model.state_dict().items())
    assert not any(
        parameter.requires_grad or parameter.grad is not None
        for parameter in target.model.parameters()
    )
    losses = []
    for net in (model, target.model):
        pairs = first_frame_pairs(
            net,
            frames[0],
            boxes[0, 0],
            FirstFrameTuning(**tuning),
            np.random.default_rng(9),
            127,
            239,
        )
        torch.manual_seed(0)
        with torch.no_grad():
            losses.append(float(sum(net.loss(*pairs).values())))
    assert losses[1] < losses[0]


def test_tuning_works_inside_inference_mode_and_repeats():
    frames, boxes = render_clip(3, 2, (160, 120))
    tracker = SiamFCTracker(make_model(), tuning=dict(iterations=2, pairs=2))
    plain = tracker.init(frames[0], boxes[0, 0])[0]
    with torch.inference_mode():
        inside = tracker.init(frames[0], boxes[0, 0])[0]
    torch.testing.assert_close(plain.template, inside.template)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(scales=2), 'odd number of scales'),
        (dict(window_influence=1.5), 'window_influence=1.5'),
        (dict(tuning=dict(lr=0)), 'first-frame tuning'),
        (dict(scale_steps=1), "no option 'scale_steps', did you mean 'scale_step'"),
    ],
)
def test_impossible_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        build_tracker(make_model(), dict(type='SiamFCTracker', **options))
