"""The correlation filter tracker: parity with the release, batches, frozen states, adaptation, and
bad input."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from tests.models.udt_parts import GOLDEN, first_box, follow, formula_udt, frames, track_synthetic
from usot_plugin.models import DCFNet
from usot_plugin.structures.boxes import xywh_to_xyxy, xyxy_to_xywh
from usot_plugin.tracking import UDTTracker, build_tracker
from usot_plugin.tracking.udt.few_shot import adapted
from usot_plugin.utils.checkpoint import extract_state_dict, load_checkpoint
from usot_plugin.utils.published_weights import convert_dcfnet

PLUS = dict(
    online=dict(type='SampleSpaceUpdate', band=20, size=6, every=2),
    scales=1,
    scale_filter=dict(type='ScaleFilter', scales=9, interpolated=17),
)


def moving_picture(count: int) -> list[np.ndarray]:
    """A smooth texture that moves by 3 px to the left and 2 px down in each frame."""
    picture = cv2.GaussianBlur(
        np.random.default_rng(11).integers(0, 256, (160, 200, 3), dtype=np.uint8), (0, 0), 3
    )
    picture = cv2.normalize(picture, None, 0, 255, cv2.NORM_MINMAX)
    return [np.roll(picture, (2 * t, -3 * t), (0, 1)) for t in range(count)]


@pytest.mark.process
def test_boxes_equal_the_golden_file():
    data = np.load(GOLDEN / 'udt' / 'track_synthetic_formula.npz')
    boxes, scores = track_synthetic()
    assert np.abs(boxes - data['boxes_cxcywh']).max() < 0.05
    assert np.abs(scores - data['scores']).max() < 1e-3


@pytest.mark.process
@pytest.mark.parametrize('options', [{}, PLUS], ids=['udt', 'udt+'])
def test_a_moving_picture_is_followed_to_a_pixel(options):
    boxes, scores = follow(
        UDTTracker(formula_udt(), **options), moving_picture(9), np.array([80.0, 50, 120, 80])
    )
    steps = np.arange(1, 9)[:, None]
    assert np.abs(boxes[:, :2] - (np.array([100, 65]) + steps * (-3, 2))).max() < 1.0
    assert np.abs(boxes[:, 2:] / (40, 30) - 1).max() < 0.07
    assert (scores > 0.5).all()


SEQUENCES = {'udt': ('udt_checkpoint.pth.tar', None), 'dcfnet': ('dcfnet_param.pth', 'Crossing')}
#: This one is compared to its end, the others only here: the tracker feeds on its own boxes, so
#: that a difference grows.
WHOLE, FIRST_FRAMES = 'Skiing', 12


@pytest.mark.process
@pytest.mark.shared_data
@pytest.mark.slow
@pytest.mark.parametrize('kind', list(SEQUENCES))
def test_published_weights_give_the_boxes_of_the_release(shared_dir, kind):
    file, only = SEQUENCES[kind]
    golden = shared_dir / 'golden' / 'udt'
    if not (golden / file).exists():
        pytest.skip('needs the published weights')
    model = formula_udt(legacy=True, normalise=False)
    model.load_state_dict(convert_dcfnet(extract_state_dict(load_checkpoint(golden / file), file)))
    tracker = UDTTracker(model)
    for recorded in sorted((golden / f'boxes_{kind}').glob(f'{only or "*"}.txt')):
        count = None if recorded.stem == WHOLE else FIRST_FRAMES
        boxes = np.loadtxt(recorded, delimiter=',')[:count]
        images = sorted((shared_dir / 'data' / 'eval' / recorded.stem / 'img').iterdir())[:count]
        state = tracker.init(cv2.imread(str(images[0])), xywh_to_xyxy(boxes[0]))
        for image, expected in zip(images[1:], boxes[1:], strict=True):
            prediction, state = tracker.update(cv2.imread(str(image)), state)
            assert np.abs(xyxy_to_xywh(prediction.boxes_xyxy[0]) - expected).max() < 0.01, (
                recorded.stem
            )


@pytest.mark.parametrize('options', [{}, PLUS], ids=['udt', 'udt+'])
def test_several_targets_at_once_equal_one_at_a_time(options):
    tracker, clip = UDTTracker(formula_udt(channels=8), **options), frames(5)
    boxes = np.stack([first_box(), [30, 40, 70, 100]])
    together, alone = tracker.init(clip[0], boxes), [tracker.init(clip[0], box) for box in boxes]
    for frame in clip[1:]:
        prediction, together = tracker.update([frame, frame], together)
        for index, state in enumerate(alone):
            single, alone[index] = tracker.update(frame, state)
            assert np.abs(prediction.boxes_xyxy[index] - single.boxes_xyxy[0]).max() < 1e-3


@pytest.mark.parametrize(
    'options', [{}, PLUS, dict(adapt_frames=3, adapt_iterations=2)], ids=['udt', 'udt+', 'adapting']
)
def test_a_state_can_be_used_twice(options):
    tracker, clip = UDTTracker(formula_udt(channels=4), **options), frames(5)
    state = tracker.init(clip[0], first_box())
    for frame in clip[1:3]:
        _, state = tracker.update(frame, state)
    first, _ = tracker.update(clip[3], state)
    tracker.update(clip[4], state)
    again, _ = tracker.update(clip[3], state)
    assert np.array_equal(first.boxes_xyxy, again.boxes_xyxy)


def test_a_filter_keeps_no_other_target_alive():
    tracker = UDTTracker(formula_udt(channels=4))
    state = tracker.init(frames(1)[0], np.stack([first_box()] * 3))
    spectrum = state[0].filter.filters.template
    assert spectrum.untyped_storage().nbytes() == spectrum.numel() * spectrum.element_size()


def test_size_follows_a_growing_target_within_its_limits():
    base = cv2.resize(frames(1)[0][80:126, 90:136], None, fx=3, fy=3)  # the texture alone
    canvas = [np.full((400, 400, 3), 90, np.uint8) for _ in range(8)]
    for t, image in enumerate(canvas):
        side = round(60 * 1.03**t)
        image[
            200 - side // 2 : 200 - side // 2 + side, 200 - side // 2 : 200 - side // 2 + side
        ] = cv2.resize(base, (side, side))
    box = np.array([170.0, 170, 230, 230])
    for options in ({}, dict(scales=1, scale_filter=dict(type='ScaleFilter'))):
        boxes, _ = follow(UDTTracker(formula_udt(), **options), canvas, box)
        assert boxes[-1, 2] > 66, options
    capped, _ = follow(UDTTracker(formula_udt(), most_scale=1.05), canvas, box)
    assert capped[:, 2].max() == pytest.approx(63)


def test_adaptation_changes_the_targets_own_network_only():
    model = formula_udt(channels=4)
    before = [parameter.clone() for parameter in model.parameters()]
    tracker, clip = UDTTracker(model, adapt_frames=3, adapt_iterations=3), frames(4)
    state = tracker.init(clip[0], np.stack([first_box(), [30, 40, 70, 100]]))
    networks = []
    for frame in clip[1:]:
        prediction, state = tracker.update(frame, state)
        networks.append([target.network for target in state])
    assert networks[0] == [model, model]
    assert (
        networks[1] == networks[2]
        and model not in networks[1]
        and networks[1][0] is not networks[1][1]
    )
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))
    assert any(
        not torch.equal(a, b) for a, b in zip(before, networks[2][0].parameters(), strict=True)
    )
    assert state[0].early_crops == () and np.isfinite(prediction.boxes_xyxy).all()


@pytest.mark.process
def test_adaptation_lowers_the_loss_and_refuses_too_few_frames():
    model = formula_udt(channels=4)
    crops = np.stack([frame[60:121, 80:141] for frame in frames(5)])
    pixels = model.data_preprocessor.normalise(torch.from_numpy(crops).movedim(-1, 1))
    groups = {'frames': torch.stack([pixels[[0, 1, 3]], pixels[[0, 2, 4]]])}
    loss = [
        net.loss(groups, [])['loss_consistency'].item()
        for net in (model, adapted(model, crops, iterations=20, lr=1e-4))
    ]
    assert loss[1] < loss[0]
    with pytest.raises(ValueError, match='3 frames, got 2'):
        adapted(model, crops[:2])
    assert adapted(model, crops, iterations=2, lr=1e30) is model  # it diverged


BLACK = np.zeros((60, 80, 3), np.uint8)


@pytest.mark.parametrize(
    'options', [{}, PLUS, dict(adapt_frames=3, adapt_iterations=1)], ids=['udt', 'udt+', 'adapting']
)
@pytest.mark.parametrize(
    ('image', 'box'),
    [
        (BLACK, [20, 20, 40, 40]),
        (np.full((60, 80, 3), 255, np.uint8), [20, 20, 40, 40]),
        (None, [-10, -10, 8, 6]),
        (None, [30, 20, 31, 21]),
        (None, [-20, -10, 110, 80]),
    ],
    ids=['black', 'white', 'at the border', 'tiny', 'larger than the frame'],
)
def test_hard_input_gives_finite_boxes(options, image, box):
    rng = np.random.default_rng(5)
    clip = [
        rng.integers(0, 256, (60, 80, 3), dtype=np.uint8) if image is None else image
        for _ in range(4)
    ]
    boxes, scores = follow(
        UDTTracker(formula_udt(channels=4), **options), clip, np.array(box, float)
    )
    assert np.isfinite(boxes).all() and ((scores >= 0) & (scores <= 1)).all()
    assert (
        (boxes[:, 2:] > 0).all() and (boxes[:, :2] >= 0).all() and (boxes[:, :2] <= (80, 60)).all()
    )
    if image is BLACK:
        assert np.allclose(boxes[:, :2], 30)


BLACKOUT_FRAMES = 8


@pytest.mark.parametrize('level', [0, 255], ids=['black', 'white'])
@pytest.mark.parametrize(
    'options', [{}, PLUS, dict(adapt_frames=5, adapt_iterations=1)], ids=['udt', 'udt+', 'adapting']
)
def test_frames_without_contrast_are_waited_out(options, level):
    picture, rng = moving_picture(7), np.random.default_rng(3)
    # A level as an encoder leaves it, one grey level up or down; the box ends at the left border,
    # so that the window leaves the frame.
    blank = [
        np.clip(level + rng.integers(-1, 2, picture[0].shape), 0, 255).astype(np.uint8)
        for _ in range(BLACKOUT_FRAMES)
    ]
    tracker = UDTTracker(formula_udt(channels=8), **options)
    state = tracker.init(picture[0], np.array([20.0, 50, 60, 80]))
    for frame in picture[1:5]:
        before, state = tracker.update(frame, state)
    filters = state[0].filter
    for index, frame in enumerate(blank):
        prediction, state = tracker.update(frame, state)
        assert (
            np.array_equal(prediction.boxes_xyxy, before.boxes_xyxy) and prediction.scores[0] == 0
        )
        assert prediction.lost[0] == (index >= 2) and state[0].filter is filters
    for step, frame in enumerate(picture[5:], 5):
        prediction, state = tracker.update(frame, state)
        assert (
            np.abs(
                prediction.boxes_xyxy[0]
                - (20 - 3 * step, 50 + 2 * step, 60 - 3 * step, 80 + 2 * step)
            ).max()
            < 2.5
        )
        assert prediction.scores[0] > 0.3 and not prediction.lost[0]


def test_of_equal_responses_the_middle_window_counts():
    model, clip = formula_udt(channels=4), moving_picture(4)
    tracker = UDTTracker(
        model, scale_step=1.0, scale_penalty=1.0
    )  # three windows that are the same
    tracker.scale_factors = 1.2 ** np.array([-1.0, 0, 1])
    tracker._crop = lambda frame, centre_xy, size_wh: UDTTracker._crop(
        tracker, frame, centre_xy, np.array([40.0, 30])
    )
    boxes, _ = follow(tracker, clip, np.array([80.0, 50, 120, 80]))
    assert np.allclose(boxes[:, 2:], (40, 30))


@pytest.mark.parametrize('value', [0.0, float('nan'), float('inf')], ids=['zero', 'nan', 'inf'])
@pytest.mark.parametrize(
    'options', [{}, PLUS, dict(adapt_frames=3, adapt_iterations=1)], ids=['udt', 'udt+', 'adapting']
)
def test_a_network_that_sees_nothing_keeps_the_box_and_says_so(options, value):
    model = formula_udt(channels=4)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(value)
    tracker, clip = UDTTracker(model, **options), moving_picture(6)
    state, box = tracker.init(clip[0], np.array([80.0, 50, 120, 80])), [80.0, 50, 120, 80]
    for index, frame in enumerate(clip[1:]):
        prediction, state = tracker.update(frame, state)
        assert (
            prediction.boxes_xyxy.tolist() == [box]
            and prediction.scores.tolist() == [0]
            and prediction.lost[0] == (index >= 2)
        )
    assert state[0].network is model


def test_one_pixel_frame():
    boxes, _ = follow(
        UDTTracker(formula_udt(channels=4)),
        [np.full((1, 1, 3), 7, np.uint8)] * 3,
        np.array([0.0, 0, 1, 1]),
    )
    assert np.isfinite(boxes).all()


def test_weak_frames_in_a_row_mean_lost():
    tracker = UDTTracker(formula_udt(channels=4), lost_score=1.1, lost_frames=2)
    state, flags = tracker.init(frames(1)[0], first_box()), []
    for frame in frames(4)[1:]:
        prediction, state = tracker.update(frame, state)
        flags.append(bool(prediction.lost[0]))
    assert flags == [False, True, True]


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(scales=2), 'odd, got 2'),
        (dict(adapt_frames=2), 'at least 3'),
        (dict(online=dict(rate=2)), 'rate'),
        (dict(scale_filter=dict(type='ScaleFilter', scales=4)), 'odd'),
    ],
)
def test_impossible_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        UDTTracker(formula_udt(channels=1), **options)


def test_other_networks_are_refused():
    with pytest.raises(TypeError, match='Linear'):
        build_tracker(torch.nn.Linear(1, 1), dict(type='UDTTracker'))


def test_adaptation_without_a_label_free_loss_is_refused():
    model = formula_udt(channels=1, kind=DCFNet)
    with pytest.raises(
        ValueError, match=r'^[^\n]*got DCFNet; its weights fit configs/udt/udt.py, which has one$'
    ):
        UDTTracker(model, adapt_frames=5)
    assert UDTTracker(model).adapt_frames == 0
