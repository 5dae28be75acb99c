"""Discriminative correlation filter: ridge regression over all cyclic shifts of a feature map,
solved in the Fourier domain.

Axis letters: B samples, C channels, H W map, F = W // 2 + 1 frequencies of the half spectrum that a
real map needs. All maps are cyclic; index (0, 0) of a response means "no shift", and the last row
"one cell up".
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn


class FilterSpectrum(NamedTuple):
    """A learned filter in its dual form, from which ``W = template * dual`` follows.

    Attributes:
        template: Spectrum of the features it was learned from, ``(B, C, H, F)`` complex.
        dual: Spectrum of the dual variables, ``(B, 1, H, F)`` complex.
    """

    template: Tensor
    dual: Tensor


def gaussian_label(
    size_hw: tuple[int, int],
    sigma: float,
    shift_rc: Tensor | None = None,
    like: Tensor | None = None,
) -> Tensor:
    """Cyclic Gaussian response with its peak of 1 at a shift from (0, 0).

    Args:
        size_hw: Height and width of the map.
        sigma: Standard deviation in cells.
        shift_rc: ``(B, 2)`` rows and columns of the peak, any real number; (0, 0) for one sample by
            default.
        like: Tensor whose dtype and device are taken.

    Returns:
        ``(B, H, W)``.

    Reference:
        UDT, Eq. 1: the label Y.
    """
    dtype, device = (torch.get_default_dtype(), None) if like is None else (like.dtype, like.device)
    shifts = (
        torch.zeros(1, 2, dtype=dtype, device=device)
        if shift_rc is None
        else shift_rc.to(dtype=dtype, device=device)
    )
    squares = []
    for axis, length in enumerate(size_hw):
        distance = torch.arange(length, dtype=dtype, device=device) - shifts[:, axis, None]
        distance = (
            torch.remainder(distance + length / 2, length) - length / 2
        )  # the nearer way round
        squares.append(distance**2)
    return torch.exp(-0.5 / sigma**2 * (squares[0][:, :, None] + squares[1][:, None, :]))


def peak_shift(responses: Tensor) -> Tensor:
    """Where each cyclic map ``(B, H, W)`` is largest, as a signed shift ``(B, 2)`` of rows and
    columns; a flat map has not moved.

    A map with nan in it counts as flat.
    """
    height, width = responses.shape[-2:]
    flat = torch.nan_to_num(responses, nan=-torch.inf).flatten(1)
    best = torch.where(
        torch.isnan(responses).flatten(1).any(1),
        torch.zeros_like(flat[:, 0], dtype=torch.long),
        flat.argmax(1),
    )
    shift = torch.stack([best // width, best % width], 1)
    size = torch.tensor([height, width], device=shift.device)
    return torch.where(shift > size // 2, shift - size, shift)


def learn_filter(
    spectrum: Tensor, label_spectrum: Tensor, regularisation: float, kernel_size: float = 1.0
) -> FilterSpectrum:
    """The filter whose response to the features themselves is the label, as far as the
    regularisation lets it.

    Args:
        spectrum: ``rfft2`` of the features, ``(B, C, H, F)``.
        label_spectrum: ``rfft2`` of the labels, ``(B or 1, 1, H, F)``.
        regularisation: ``lambda``.
        kernel_size: Divides the kernel correlation, see :class:`CorrelationFilter`.

    Reference:
        UDT, Eq. 2 and 4, in the dual form of KCF (arXiv:1404.7584), Eq. 17, which is exact for
        several channels.
    """
    energy = (spectrum.real.square() + spectrum.imag.square()).sum(1, keepdim=True) / kernel_size
    return FilterSpectrum(spectrum, label_spectrum / (energy + regularisation))


def respond(
    filters: FilterSpectrum, spectrum: Tensor, size_hw: tuple[int, int], kernel_size: float = 1.0
) -> Tensor:
    """Responses ``(B, H, W)`` of filters to search features.

    Args:
        filters: One for each sample, or one for all.
        spectrum: ``rfft2`` of the search features, ``(B, C, H, F)``.
        size_hw: Size of the maps; the half spectrum alone does not tell whether ``W`` is odd.
        kernel_size: As in :func:`learn_filter`.

    Reference:
        UDT, Eq. 3 and 5.
    """
    cross = (spectrum * filters.template.conj()).sum(1, keepdim=True) / kernel_size
    return torch.fft.irfft2(cross * filters.dual, s=size_hw)[:, 0]


def _spectrum(maps: Tensor) -> Tensor:
    """``rfft2``, never in half precision, which has no transform on a CPU and too few digits for a
    filter."""
    return torch.fft.rfft2(maps if maps.dtype == torch.float64 else maps.float())


class CorrelationFilter(nn.Module):
    """Differentiable correlation filter layer.

    Args:
        regularisation: ``lambda``.
        normalise: Divide the kernel correlation by ``H * W * C``, so that lambda means the same for
            every size and width, as the first toolbox of DCFNet does; the published PyTorch weights
            were trained and are tracked without.
    """

    def __init__(self, regularisation: float = 1e-4, normalise: bool = True) -> None:
        super().__init__()
        self.regularisation, self.normalise = regularisation, normalise

    def kernel_size(self, channels: int, size_hw: tuple[int, int]) -> float:
        """What the kernel correlation is divided by."""
        return float(channels * size_hw[0] * size_hw[1]) if self.normalise else 1.0

    def learn(self, features: Tensor, labels: Tensor) -> FilterSpectrum:
        """Filters from template features ``(B, C, H, W)`` and labels ``(B or 1, H, W)``."""
        size = self.kernel_size(features.shape[1], (features.shape[2], features.shape[3]))
        return learn_filter(
            _spectrum(features), _spectrum(labels)[:, None], self.regularisation, size
        )

    def respond(self, filters: FilterSpectrum, features: Tensor) -> Tensor:
        """Responses ``(B, H, W)`` to search features ``(B, C, H, W)``."""
        size_hw = (features.shape[2], features.shape[3])
        return respond(
            filters, _spectrum(features), size_hw, self.kernel_size(features.shape[1], size_hw)
        )

    def forward(self, template: Tensor, search: Tensor, labels: Tensor) -> Tensor:
        """Learn from ``template`` with ``labels`` and respond to ``search``; gradient flows through
        all three."""
        return self.respond(self.learn(template, labels), search)

    def extra_repr(self) -> str:
        return f'regularisation={self.regularisation}, normalise={self.normalise}'
