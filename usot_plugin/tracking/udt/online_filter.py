"""How a correlation filter learns on while it tracks: a running mean (UDT)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from usot_plugin.models.layers.dcf import FilterSpectrum, learn_filter, respond
from usot_plugin.registry import TASK_UTILS


class OnlineFilter(ABC):
    """A filter of one target; state in, state out, never changed in place.

    Spectra are ``rfft2`` of windowed features ``(1, C, S, S // 2 + 1)`` of square crops.
    """

    @abstractmethod
    def start(
        self, spectrum: Tensor, label_spectrum: Tensor, regularisation: float, kernel_size: float
    ) -> Any:
        """The filter after the first frame.

        Args:
            spectrum: Of the first frame's features.
            label_spectrum: ``(1, 1, S, S // 2 + 1)``.
            regularisation: ``lambda`` of the network's filter.
            kernel_size: See :class:`CorrelationFilter`.
        """

    @abstractmethod
    def respond(self, state: Any, spectra: Tensor, size_hw: tuple[int, int]) -> Tensor:
        """Responses ``(N, h, w)`` to search spectra ``(N, C, S, S // 2 + 1)``; the map covers the
        crop, however many cells it has."""

    @abstractmethod
    def update(self, state: Any, spectrum: Tensor, score: float) -> Any:
        """The filter after a further frame.

        Args:
            state: Filter so far.
            spectrum: Of the features around the new place.
            score: Response in [0, 1] by which the place was found.
        """


@dataclass(frozen=True)
class LinearState:
    """A running mean of filters, and what its next one is learned with."""

    filters: FilterSpectrum
    label_spectrum: Tensor
    regularisation: float
    kernel_size: float


@TASK_UTILS.register_module()
class LinearUpdate(OnlineFilter):
    """Running mean of template and dual variables.

    Args:
        rate: ``alpha_t``, weight of the newest frame.

    Raises:
        ValueError: ``rate`` is outside [0, 1].

    Reference:
        UDT, Eq. 12.
    """

    def __init__(self, rate: float = 0.01) -> None:
        if not 0 <= rate <= 1:
            raise ValueError(f'LinearUpdate: rate must be in [0, 1], got {rate}')
        self.rate = rate

    def start(
        self, spectrum: Tensor, label_spectrum: Tensor, regularisation: float, kernel_size: float
    ) -> LinearState:
        filters = learn_filter(spectrum, label_spectrum, regularisation, kernel_size)
        # A copy: a view would keep the spectra of the whole batch alive as long as one target is
        # followed.
        return LinearState(
            FilterSpectrum(filters.template.clone(), filters.dual),
            label_spectrum,
            regularisation,
            kernel_size,
        )

    def respond(self, state: LinearState, spectra: Tensor, size_hw: tuple[int, int]) -> Tensor:
        return respond(state.filters, spectra, size_hw, state.kernel_size)

    def update(self, state: LinearState, spectrum: Tensor, score: float) -> LinearState:
        new = learn_filter(spectrum, state.label_spectrum, state.regularisation, state.kernel_size)
        mixed = [
            (1 - self.rate) * old + self.rate * now
            for old, now in zip(state.filters, new, strict=True)
        ]
        return LinearState(
            FilterSpectrum(*mixed), state.label_spectrum, state.regularisation, state.kernel_size
        )
