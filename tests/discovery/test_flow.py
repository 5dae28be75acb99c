from __future__ import annotations

import pickle

import cv2
import numpy as np
import pytest
import torch

from usot_plugin.discovery.flow import ARFlow, CallableFlow, DISFlow, FarnebackFlow, build_flow
from usot_plugin.discovery.flow.pwc_lite import PWCLite


def texture(height: int = 120, width: int = 160, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).integers(0, 256, (height, width), dtype=np.uint8)
    return cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 2), None, 0, 255, cv2.NORM_MINMAX)


def rightward(frame0, frame1):
    return np.full((*frame0.shape[:2], 2), (2.5, 0), np.float32)


@pytest.mark.parametrize(
    'estimator',
    [DISFlow('ultrafast'), DISFlow(), DISFlow('medium'), FarnebackFlow()],
    ids=['uf', 'fast', 'medium', 'farneback'],
)
def test_classical_flow_finds_a_shift(estimator):
    frame0 = texture()
    frame1 = np.roll(frame0, (2, -3), (0, 1))  # 3 px to the left, 2 px down
    flow_uv = estimator.flow(frame0, frame1)
    assert flow_uv.shape == (120, 160, 2)
    assert flow_uv.dtype == np.float32
    inner = np.median(flow_uv[20:-20, 20:-20].reshape(-1, 2), 0)
    assert inner == pytest.approx([-3, 2], abs=0.2)


def test_dis_does_not_depend_on_threads_or_earlier_calls():
    estimator, frames = DISFlow(), [texture(seed=s) for s in range(3)]
    threads = cv2.getNumThreads()
    try:
        cv2.setNumThreads(1)
        alone = DISFlow().flow(frames[0], frames[1])
        estimator.flow(frames[2], frames[0])
        np.testing.assert_array_equal(estimator.flow(frames[0], frames[1]), alone)
        cv2.setNumThreads(4)
        np.testing.assert_array_equal(estimator.flow(frames[0], frames[1]), alone)
    finally:
        cv2.setNumThreads(threads)


def test_dis_takes_a_view_with_gaps():
    frame = texture(120, 200)
    np.testing.assert_array_equal(
        DISFlow().flow(frame[:, :150], frame[:, 3:153]),
        DISFlow().flow(frame[:, :150].copy(), frame[:, 3:153].copy()),
    )


def test_dis_travels_to_another_process():
    again = pickle.loads(pickle.dumps(DISFlow('ultrafast')))
    assert again.preset == 'ultrafast'
    assert again.flow(texture(), texture()).shape == (120, 160, 2)


def test_build_by_type_and_pass_through():
    estimator = build_flow(dict(type='DISFlow', preset='ultrafast'))
    assert isinstance(estimator, DISFlow)
    assert build_flow(estimator) is estimator


BAD = [
    (dict(type='DISFlo'), 'DISFlo'),
    (dict(type='DISFlow', preset='slow'), "preset must be one of .* got 'slow'"),
    (dict(type='DISFlow', speed=1), 'speed'),
    (dict(type='FarnebackFlow', poly_n=6), 'poly_n'),
    (dict(type='FarnebackFlow', pyramid_scale=1), 'pyramid_scale'),
    (dict(type='ARFlow'), 'needs checkpoint'),
    (dict(type='CallableFlow', function='nowhere'), "'module:function', got 'nowhere'"),
    (dict(type='CallableFlow', function='no.such.module:f'), 'cannot be loaded'),
    (dict(type='CallableFlow', function='math:pi'), 'not callable'),
    (dict(type='CallableFlow', function=rightward, color='rgb'), "got 'rgb'"),
    (dict(type='AssignResult'), 'AssignResult'),
]


@pytest.mark.parametrize(('options', 'message'), BAD)
def test_wrong_flow_gives_one_clear_line(options, message):
    with pytest.raises(ValueError, match=message) as caught:
        build_flow(options)
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize('function', [rightward, f'{__name__}:rightward'], ids=['object', 'name'])
def test_any_function_is_a_flow(function):
    estimator = build_flow(dict(type='CallableFlow', function=function, color='gray'))
    assert estimator.color == 'gray'
    assert (estimator.flow(texture(), texture())[..., 0] == 2.5).all()


def test_function_may_ask_for_the_frame_before():
    estimator = CallableFlow(
        lambda a, b, before: rightward(a, b) * before.mean(), needs_before=True
    )
    ones = np.ones((4, 5, 3), np.uint8)
    assert (estimator.flow(ones, ones, 2 * ones)[..., 0] == 5).all()


@pytest.mark.parametrize(
    ('value', 'message'),
    [(np.zeros((2, 120, 160)), 'shape'), (np.full((120, 160, 2), np.nan), 'not finite')],
)
def test_function_with_a_wrong_result_is_named(value, message):
    def broken_flow(frame0, frame1):
        return value

    with pytest.raises(ValueError, match=f"'broken_flow'.*{message}"):
        CallableFlow(broken_flow).flow(texture(), texture())


@pytest.fixture
def checkpoint(tmp_path):
    """A file as ARFlow's authors publish: weights under ``state_dict``, and the epoch."""

    def write(frames: int = 2, reduced: bool = True, prefix: str = ''):
        weights = {
            prefix + name: value for name, value in PWCLite(frames, reduced).state_dict().items()
        }
        torch.save(dict(epoch=3, state_dict=weights), tmp_path / 'pwclite.tar')
        return tmp_path / 'pwclite.tar'

    return write


@pytest.mark.process
@pytest.mark.parametrize(
    ('frames', 'reduced', 'prefix'),
    [(2, True, ''), (3, True, 'module.'), (2, False, ''), (3, False, '')],
)
def test_arflow_reads_every_published_kind(checkpoint, frames, reduced, prefix):
    path = checkpoint(frames, reduced, prefix)
    estimator = build_flow(
        dict(type='ARFlow', checkpoint=str(path), input_size_wh=(128, 64), device='cpu')
    )
    assert isinstance(estimator, ARFlow)
    assert estimator.needs_before == (frames == 3)
    weights = torch.load(path, weights_only=True)['state_dict']
    torch.testing.assert_close(
        estimator.model.state_dict()['conv_1x1.0.0.weight'], weights[f'{prefix}conv_1x1.0.0.weight']
    )
    image = np.random.default_rng(0).integers(0, 256, (50, 90, 3), dtype=np.uint8)
    flow_uv = estimator.flow(image, np.roll(image, 2, 1), image)
    assert flow_uv.shape == (50, 90, 2)
    assert flow_uv.dtype == np.float32


def test_arflow_gives_pixels_of_the_given_frame(checkpoint):
    # A frame of half the network's width: what the network calls 2 px are 1 px there.
    estimator = ARFlow(checkpoint(), input_size_wh=(128, 64), device='cpu')
    estimator.model.forward = lambda *images: (
        torch.ones(1, 2, 64, 128) * torch.tensor([2.0, 4.0])[None, :, None, None]
    )
    flow_uv = estimator.flow(np.zeros((64, 64, 3), np.uint8), np.zeros((64, 64, 3), np.uint8))
    assert flow_uv[..., 0] == pytest.approx(1)
    assert flow_uv[..., 1] == pytest.approx(4)


def test_arflow_sees_rgb_in_zero_to_one(checkpoint):
    estimator = ARFlow(checkpoint(), input_size_wh=(64, 64), device='cpu')
    seen = []
    estimator.model.forward = lambda *images: seen.extend(images) or torch.zeros(1, 2, 64, 64)
    estimator.flow(np.full((64, 64, 3), (0, 51, 255), np.uint8), np.zeros((64, 64, 3), np.uint8))
    assert seen[0][0, :, 0, 0].tolist() == pytest.approx([1, 0.2, 0])


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (b'not a checkpoint', 'refused: not a checkpoint'),
        ([1, 2], 'it holds a list'),
        (dict(state_dict=dict(conv=torch.zeros(1))), "no weight 'flow_estimators.conv1.0.weight'"),
        (
            dict(state_dict={'flow_estimators.conv1.0.weight': torch.zeros(128, 115, 3, 3)}),
            'it is missing',
        ),
    ],
)
def test_arflow_refuses_another_file_in_one_line(tmp_path, content, message):
    path = tmp_path / 'other.tar'
    path.write_bytes(content) if isinstance(content, bytes) else torch.save(content, path)
    with pytest.raises(ValueError, match=message) as caught:
        ARFlow(path)
    assert str(path) in str(caught.value)
    assert '\n' not in str(caught.value)


def test_arflow_refuses_a_wrong_shape_and_a_missing_file(tmp_path, checkpoint):
    path = checkpoint()
    weights = torch.load(path, weights_only=True)
    weights['state_dict']['conv_1x1.2.0.weight'] = torch.zeros(32, 97, 1, 1)
    torch.save(weights, path)
    with pytest.raises(
        ValueError,
        match=r"'conv_1x1.2.0.weight' should have shape \(32, 96, 1, 1\), it has \(32, 97, 1, 1\)",
    ):
        ARFlow(path)
    with pytest.raises(ValueError, match='absent.tar: no such checkpoint'):
        ARFlow(tmp_path / 'absent.tar')


def test_arflow_refuses_sizes_off_the_pyramid(checkpoint):
    with pytest.raises(ValueError, match='multiples of 64'):
        ARFlow(checkpoint(), input_size_wh=(640, 360))
