"""The scale filter: it finds how a patch has grown, and stays where nothing is to be seen."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from usot_plugin.tracking.udt.scale_filter import ScaleFilter


def pixels(patches):
    return torch.from_numpy(np.stack(patches)).movedim(-1, 1).float() - 128


def textured(scale: float) -> np.ndarray:
    """A 64 px texture, enlarged around the middle of a grey frame."""
    rng = np.random.default_rng(7)
    patch = cv2.GaussianBlur(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8), (0, 0), 2)
    patch = cv2.normalize(patch, None, 0, 255, cv2.NORM_MINMAX)
    frame = np.full((200, 200, 3), 128, np.uint8)
    frame[68:132, 68:132] = patch
    matrix = np.array([[scale, 0, 99.5 * (1 - scale)], [0, scale, 99.5 * (1 - scale)]])
    return cv2.warpAffine(frame, matrix, (200, 200), borderValue=(128, 128, 128))


CENTRE, SIZE = np.array([100.0, 100.0]), np.array([64.0, 64.0])


@pytest.mark.parametrize('growth', [0.9, 0.96, 1.0, 1.06, 1.12])
def test_growth_is_found_to_a_step_and_a_half(growth):
    scale_filter = ScaleFilter()
    state = scale_filter.start(textured(1.0), CENTRE, SIZE, pixels)
    factor, _ = scale_filter.update(state, textured(growth), CENTRE, SIZE, pixels)
    assert abs(np.log(factor / growth)) < 1.5 * np.log(1.02)


def test_learning_leaves_the_old_state_alone():
    scale_filter = ScaleFilter(rate=0.5)
    state = scale_filter.start(textured(1.0), CENTRE, SIZE, pixels)
    template = state.template.clone()
    _, after = scale_filter.update(state, textured(1.05), CENTRE, SIZE, pixels)
    assert torch.equal(state.template, template) and not torch.equal(after.template, template)
    torch.testing.assert_close(after.basis.T @ after.basis, torch.eye(17), atol=1e-4, rtol=0)
    assert state.basis.shape[1] == 17 and state.numerator.shape == (17, 17)


def test_a_flat_frame_leaves_the_size_alone():
    scale_filter, flat = ScaleFilter(), np.full((50, 50, 3), 128, np.uint8)
    state = scale_filter.start(flat, CENTRE / 4, SIZE / 4, pixels)
    factor, _ = scale_filter.update(state, flat, CENTRE / 4, SIZE / 4, pixels)
    assert factor == 1.0


@pytest.mark.parametrize('options', [dict(scales=4), dict(interpolated=34), dict(scales=35)])
def test_impossible_numbers_of_scales_are_refused(options):
    with pytest.raises(ValueError, match='odd and rise'):
        ScaleFilter(**options)
