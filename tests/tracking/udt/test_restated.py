"""The legacy tracker against a slow restatement of the release's steps: whole spectra, double
precision, one window at a time."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from torch.nn import functional as F

from tests.models.udt_parts import first_box, follow, formula_udt, frames
from usot_plugin.models.udt import UDT
from usot_plugin.tracking import UDTTracker

CROP, PADDING, SIGMA, RATE, STEP, PENALTY, LAMBDA = 125, 2, 4.1, 0.01, 1.0275, 0.9925, 1e-4


class RestatedRelease:
    """One target; centre and size in pixels, float64."""

    def __init__(self, model: UDT, frame: np.ndarray, box_xyxy: np.ndarray) -> None:
        self.weights = [parameter.detach().double() for parameter in model.parameters()]
        self.centre, self.size = (box_xyxy[:2] + box_xyxy[2:]) / 2, box_xyxy[2:] - box_xyxy[:2]
        self.least, self.most = (
            np.maximum(0.2 * self.size, 4),
            np.minimum(frame.shape[:2], 5 * self.size),
        )
        ramp = np.minimum(np.arange(CROP), CROP - np.arange(CROP))
        self.label = np.fft.fft2(np.exp(-0.5 / SIGMA**2 * (ramp[:, None] ** 2 + ramp**2)))
        self.template, self.dual = self.learn(frame)

    def spectrum(self, frame: np.ndarray, size: np.ndarray) -> np.ndarray:
        left_top, scale = (
            self.centre - size * (1 + PADDING) / 2,
            (CROP - 1) / (size * (1 + PADDING)),
        )
        matrix = np.array(
            [[scale[0], 0, -scale[0] * left_top[0]], [0, scale[1], -scale[1] * left_top[1]]]
        )
        crop = cv2.warpAffine(
            frame, matrix, (CROP, CROP), borderMode=cv2.BORDER_CONSTANT, borderValue=(0, 0, 0)
        )
        pixels = torch.from_numpy(crop.astype(float) - (104, 117, 123)).permute(2, 0, 1)[None]
        hidden = F.relu(F.conv2d(pixels, *self.weights[:2], padding=1))
        features = F.local_response_norm(
            F.conv2d(hidden, *self.weights[2:], padding=1), 5, 1e-4, 0.75, 1.0
        )[0].numpy()
        return np.fft.fft2(features * np.outer(np.hanning(CROP), np.hanning(CROP)))

    def learn(self, frame: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        spectrum = self.spectrum(frame, self.size)
        return spectrum, self.label / ((np.abs(spectrum) ** 2).sum(0) + LAMBDA)

    def update(self, frame: np.ndarray) -> np.ndarray:
        spectra = [self.spectrum(frame, self.size * STEP**exponent) for exponent in (-1, 0, 1)]
        responses = [
            np.fft.ifft2((spectrum * self.template.conj()).sum(0) * self.dual).real
            for spectrum in spectra
        ]
        best = int(
            np.argmax(
                [responses[0].max() * PENALTY, responses[1].max(), responses[2].max() * PENALTY]
            )
        )
        row, column = np.unravel_index(responses[best].argmax(), (CROP, CROP))
        shift = np.array([at - CROP if at > CROP / 2 else at for at in (column, row)])
        size = self.size * STEP ** (best - 1)
        self.centre = self.centre + shift * size * (1 + PADDING) / CROP
        self.size = np.minimum(np.maximum(size, self.least), self.most)
        for kept, new in zip((self.template, self.dual), self.learn(frame), strict=True):
            kept *= 1 - RATE
            kept += RATE * new
        return np.concatenate([self.centre, self.size])


@pytest.mark.process
@pytest.mark.parametrize('channels', [4, 32])
def test_legacy_boxes_equal_the_restated_release(channels):
    model, clip = formula_udt(channels=channels, legacy=True, normalise=False), frames(10)
    ours, _ = follow(UDTTracker(model), clip, first_box())
    release = RestatedRelease(model, clip[0], first_box())
    restated = np.array([release.update(frame) for frame in clip[1:]])
    assert np.abs(ours - restated).max() < 1e-9
    assert np.ptp(restated[:, :2], axis=0).min() > 1  # it moved
