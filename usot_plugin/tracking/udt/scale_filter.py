"""Scale estimation by a one-dimensional correlation filter over a pyramid of patches.

Axis letters: S scales, D features of a patch, K components they are compressed to.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from usot_plugin.registry import TASK_UTILS

from ..window_crop import crop_window

#: Features ``(S, C, h, w)`` of S patches of one size.
PatchFeatures = Callable[[Sequence[np.ndarray]], Tensor]


@dataclass(frozen=True)
class ScaleState:
    """A scale filter.

    Attributes:
        patch_wh: Size of the patches in pixels.
        template: ``(D, S)`` running mean of the patches' features.
        basis: ``(D, K)`` orthonormal, spans the template.
        numerator: ``(K, S)`` complex.
        denominator: ``(S,)``.
    """

    patch_wh: tuple[int, int]
    template: Tensor
    basis: Tensor
    numerator: Tensor
    denominator: Tensor


@TASK_UTILS.register_module()
class ScaleFilter:
    """fDSST's scale filter on the network's features, averaged over cells.

    Args:
        scales: Patches, odd.
        step: Factor between neighbouring interpolated scales.
        interpolated: Scales that the response is interpolated to, odd; the patches cover the same
            range.
        area_px: Largest area of a patch.
        cell_px: Side of a cell that features are averaged over.
        rate: Weight of the newest frame.
        regularisation: ``lambda``.
        sigma_factor: Standard deviation of the label, in numbers of scales.

    Raises:
        ValueError: An even number of scales.

    Reference:
        Danelljan et al., Discriminative Scale Space Tracking (arXiv:1609.06141), Sec. 5: an
        orthonormal basis compresses the features to S dimensions, and the response is interpolated.
        The features are those of the tracker in place of gradient histograms.
    """

    def __init__(
        self,
        scales: int = 17,
        step: float = 1.02,
        interpolated: int = 33,
        area_px: int = 512,
        cell_px: int = 4,
        rate: float = 0.025,
        regularisation: float = 0.01,
        sigma_factor: float = 1 / 16,
    ) -> None:
        if scales % 2 == 0 or interpolated % 2 == 0 or not 1 <= scales <= interpolated:
            raise ValueError(
                f'ScaleFilter: scales and interpolated must be odd and rise, got {scales} and '
                f'{interpolated}'
            )
        self.scales, self.step, self.interpolated = scales, step, interpolated
        self.area_px = area_px
        self.cell_px = cell_px
        self.rate = rate
        self.regularisation = regularisation
        offsets = np.arange(scales) - scales // 2
        self.factors = step ** (offsets * interpolated / scales)
        label = torch.exp(
            -0.5 / (sigma_factor * scales) ** 2 * torch.tensor(offsets, dtype=torch.float64) ** 2
        )
        self._label = torch.fft.fft(torch.roll(label, -(scales // 2))).to(torch.complex64)
        self._window = torch.hann_window(scales + 2, periodic=False)[1:-1]

    def start(
        self, frame: np.ndarray, centre_xy: np.ndarray, size_wh: np.ndarray, features: PatchFeatures
    ) -> ScaleState:
        """The filter after the first frame.

        Args:
            frame: ``(H, W, 3)`` uint8.
            centre_xy: Centre of the target.
            size_wh: Its size.
            features: Features of patches.
        """
        shrink = min(1.0, np.sqrt(self.area_px / float(np.prod(size_wh))))
        width, height = (max(2 * self.cell_px, int(side * shrink)) for side in size_wh)
        sample = self._sample(frame, centre_xy, size_wh, (width, height), features)
        return self._solve((width, height), sample, sample, None)

    def update(
        self,
        state: ScaleState,
        frame: np.ndarray,
        centre_xy: np.ndarray,
        size_wh: np.ndarray,
        features: PatchFeatures,
    ) -> tuple[float, ScaleState]:
        """Factor by which the target has grown, and the filter after it was learned at its new
        size."""
        factor = self.step ** self._steps(
            state, self._sample(frame, centre_xy, size_wh, state.patch_wh, features)
        )
        sample = self._sample(frame, centre_xy, size_wh * factor, state.patch_wh, features)
        template = (1 - self.rate) * state.template + self.rate * sample
        return factor, self._solve(state.patch_wh, template, sample, state.denominator)

    def _sample(
        self,
        frame: np.ndarray,
        centre_xy: np.ndarray,
        size_wh: np.ndarray,
        patch_wh: tuple[int, int],
        features: PatchFeatures,
    ) -> Tensor:
        """``(D, S)``: one column a scale."""
        patches = [
            crop_window(frame, centre_xy, size_wh * factor, patch_wh) for factor in self.factors
        ]
        return F.avg_pool2d(features(patches), self.cell_px).flatten(1).T

    def _compressed(self, basis: Tensor, sample: Tensor) -> Tensor:
        """Spectrum ``(K, S)`` over the scales."""
        return torch.fft.fft((basis.T @ sample) * self._window.to(sample))

    def _solve(
        self,
        patch_wh: tuple[int, int],
        template: Tensor,
        sample: Tensor,
        denominator: Tensor | None,
    ) -> ScaleState:
        basis = torch.linalg.qr(template)[0]
        numerator = self._compressed(basis, template).conj() * self._label.to(template.device)
        own = self._compressed(torch.linalg.qr(sample)[0], sample)
        energy = own.real.square().sum(0) + own.imag.square().sum(0)
        mixed = (
            energy if denominator is None else (1 - self.rate) * denominator + self.rate * energy
        )
        return ScaleState(patch_wh, template, basis, numerator, mixed)

    def _steps(self, state: ScaleState, sample: Tensor) -> int:
        """Place of the highest response in steps from the present size; 0 where nothing is to be
        seen."""
        product = (state.numerator * self._compressed(state.basis, sample)).sum(0) / (
            state.denominator + self.regularisation
        )
        half = self.scales // 2
        padded = product.new_zeros(self.interpolated)
        padded[: half + 1], padded[-half:] = product[: half + 1], product[-half:]
        best = int(torch.nan_to_num(torch.fft.ifft(padded).real, nan=-torch.inf).argmax())
        return best - self.interpolated if best > self.interpolated // 2 else best
