"""How a correlation filter learns on from a compact space of samples (UDT+): ECO's formulation with
a spatial penalty.

Axis letters: M samples, C channels of the network, K compact channels, R = 2 * band + 1 rows and F
= band + 1 columns of a band-limited half spectrum.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from usot_plugin.registry import TASK_UTILS

from .online_filter import OnlineFilter

#: Shares in the preconditioner: of the energy's mean over channels in the energy, and of the
#: penalty's mean in the whole (ECO's release).
MEAN_ENERGY = 0.75
MEAN_PENALTY = 0.3


def low_band(spectrum: Tensor, band: int) -> Tensor:
    """Frequencies up to ``band`` of half spectra ``(..., S, S // 2 + 1)``, as ``(..., R, F)``: what
    ``rfft2`` of a smaller map has."""
    return torch.cat([spectrum[..., : band + 1, : band + 1], spectrum[..., -band:, : band + 1]], -2)


def high_resolution(spectrum: Tensor, side: int, learned_side: int) -> Tensor:
    """Maps ``(..., side, side)`` of band-limited spectra ``(..., R, F)``: exact interpolation of a
    map of ``learned_side``."""
    rows, columns = spectrum.shape[-2:]
    full = spectrum.new_zeros(*spectrum.shape[:-2], side, side // 2 + 1)
    full[..., : rows // 2 + 1, :columns] = spectrum[..., : rows // 2 + 1, :]
    full[..., -(rows // 2) :, :columns] = spectrum[..., -(rows // 2) :, :]
    return torch.fft.irfft2(full, s=(side, side)) * (side / learned_side) ** 2


def inner(a: Tensor, b: Tensor) -> Tensor:
    """Real inner product of two maps from their half spectra; the columns but the first stand for
    two frequencies each."""
    products = a.real * b.real + a.imag * b.imag
    return 2 * products.sum() - products[..., 0].sum()


def conjugate_gradients(
    operator, right: Tensor, start: Tensor, preconditioner: Tensor, iterations: int
) -> Tensor:
    """Solve ``operator(x) = right`` for a symmetric positive operator.

    Args:
        operator: Linear map on half spectra.
        right: Right-hand side.
        start: First guess.
        preconditioner: Approximate diagonal of the operator, positive.
        iterations: Most steps; fewer where the residual vanishes.

    Returns:
        The last iterate.
    """
    solution, residual = start, right - operator(start)
    scaled = residual / preconditioner
    direction, power = scaled, inner(residual, scaled)
    # Below rounding noise the steps would grow again.
    floor = power * (100 * torch.finfo(power.dtype).eps) ** 2
    for _ in range(iterations):
        if not power > floor:
            break
        applied = operator(direction)
        step = power / inner(direction, applied)
        solution = solution + step * direction
        residual = residual - step * applied
        scaled = residual / preconditioner
        power, last = inner(residual, scaled), power
        direction = scaled + (power / last) * direction
    return solution


@dataclass(frozen=True)
class SampleSpaceState:
    """A filter and the samples it was learned from.

    Attributes:
        projection: ``(C, K)`` orthonormal columns.
        filter: ``(K, R, F)`` complex; a response is the sum over channels of filter times sample.
        samples: M spectra ``(K, R, F)``.
        weights: ``(M,)``, sum 1.
        products: ``(M, M)`` inner products of the samples.
        label: ``(R, F)``.
        penalty: ``(R, R)`` squared spatial weights.
        mean_score: Running mean of the response.
        age: Frames since the filter was last solved for.
        side: Cells along an axis of the features.
    """

    projection: Tensor
    filter: Tensor
    samples: tuple[Tensor, ...]
    weights: Tensor
    products: Tensor
    label: Tensor
    penalty: Tensor
    mean_score: float
    age: int
    side: int


@TASK_UTILS.register_module()
class SampleSpaceUpdate(OnlineFilter):
    """Filter over a mixture of at most ``size`` samples, solved for by conjugate gradients every
    few frames.

    Features are projected to ``channels`` principal directions of the first frame and limited to
    the low frequencies that the label has. A sample that is one too many replaces one of negligible
    weight, or the two nearest samples become one.

    Args:
        size: Most samples.
        channels: Compact channels.
        band: Highest frequency kept, in periods across the crop.
        rate: Weight of a new sample where the response is as high as usual. The rate adapts: it
            falls with the square of the ratio of the response to its running mean, so that a
            doubtful frame leaves little behind.
        every: Frames from one solution to the next.
        iterations: Conjugate gradient steps of a solution ...
        first_iterations: ... and of the first one.
        target_share: Size of the target within the crop, which the spatial penalty is measured by.
        penalty_middle, penalty_edge: Spatial weights in the middle and at the border of the target;
            they grow with the squared distance.
        least_weight: A sample of less weight is replaced instead of merged.
        score_memory: Weight of the past in the running mean of the response.
        finer: The response is interpolated to so many cells for each cell of the features.

    Raises:
        ValueError: A number is impossible.

    Reference:
        UDT, Sec. 3.5 (UDT+); Danelljan et al., ECO (arXiv:1611.09224), Sec. 3; the rates of its
        release. The projection stays at its first value; the paper of UDT does not say how it
        adapts the rate.
    """

    def __init__(
        self,
        size: int = 50,
        channels: int = 16,
        band: int = 31,
        rate: float = 0.012,
        every: int = 5,
        iterations: int = 5,
        first_iterations: int = 20,
        target_share: float = 1 / 3,
        penalty_middle: float = 1e-5,
        penalty_edge: float = 1e-4,
        least_weight: float = 0.0036,
        score_memory: float = 0.9,
        finer: int = 2,
    ) -> None:
        if (
            min(size - 1, channels, band, every, iterations, first_iterations, finer) < 1
            or not 0 < rate < 1
        ):
            raise ValueError(
                f'SampleSpaceUpdate: got size={size}, channels={channels}, band={band}, '
                f'every={every}, rate={rate}'
            )
        self.size = size
        self.channels = channels
        self.band = band
        self.rate = rate
        self.every = every
        self.iterations, self.first_iterations, self.finer = iterations, first_iterations, finer
        self.target_share = target_share
        self.penalty_middle = penalty_middle
        self.penalty_edge = penalty_edge
        self.least_weight, self.score_memory = least_weight, score_memory

    # --- the contract -----------------------------------------------------------------------------

    def start(
        self, spectrum: Tensor, label_spectrum: Tensor, regularisation: float, kernel_size: float
    ) -> SampleSpaceState:
        side, channels = spectrum.shape[2], spectrum.shape[1]
        band = min(self.band, (side - 1) // 2)
        low = low_band(spectrum[0], band).flatten(1)
        # Features that are not finite have no principal directions; the response then tells that
        # nothing is seen.
        covariance = torch.nan_to_num((low @ low.mH).real.double(), nan=0.0, posinf=0.0, neginf=0.0)
        projection = torch.linalg.eigh(covariance)[1][:, -min(self.channels, channels) :].to(
            spectrum.real.dtype
        )
        label = low_band(label_spectrum[0, 0], band)
        sample = _compact(spectrum, projection, band)[0]
        state = SampleSpaceState(
            projection=projection,
            filter=torch.zeros_like(sample),
            samples=(sample,),
            weights=sample.real.new_ones(1),
            products=inner(sample, sample).reshape(1, 1),
            label=label,
            penalty=self._penalty(label, side),
            mean_score=1.0,
            age=0,
            side=side,
        )
        return replace(state, filter=self._solved(state, self.first_iterations))

    def respond(self, state: SampleSpaceState, spectra: Tensor, size_hw: tuple[int, int]) -> Tensor:
        samples = _compact(spectra, state.projection, state.label.shape[1] - 1)
        return high_resolution((samples * state.filter).sum(1), self.finer * state.side, state.side)

    def update(self, state: SampleSpaceState, spectrum: Tensor, score: float) -> SampleSpaceState:
        rate = self.rate * min(1.0, score / max(state.mean_score, 1e-6)) ** 2
        mean_score = self.score_memory * state.mean_score + (1 - self.score_memory) * score
        state = replace(state, mean_score=mean_score, age=state.age + 1)
        if rate > 0:
            state = self._with_sample(
                state, _compact(spectrum, state.projection, state.label.shape[1] - 1)[0], rate
            )
        if state.age < self.every:
            return state
        return replace(state, filter=self._solved(state, self.iterations), age=0)

    # --- samples ----------------------------------------------------------------------------------

    def _with_sample(
        self, state: SampleSpaceState, sample: Tensor, rate: float
    ) -> SampleSpaceState:
        """The space with a further sample, at most ``size`` of them."""
        samples = (*state.samples, sample)
        weights = torch.cat([(1 - rate) * state.weights, state.weights.new_full((1,), rate)])
        row = torch.stack([inner(sample, other) for other in samples])
        products = torch.cat([torch.cat([state.products, row[:-1, None]], 1), row[None]])
        if len(samples) > self.size:
            samples, weights, products = self._reduced(samples, weights, products)
        return replace(state, samples=samples, weights=weights, products=products)

    def _reduced(
        self, samples: tuple[Tensor, ...], weights: Tensor, products: Tensor
    ) -> tuple[tuple[Tensor, ...], Tensor, Tensor]:
        """One sample less: the lightest goes where it counts for nothing, otherwise the two nearest
        become one."""
        lightest = int(weights[:-1].argmin())
        kept = list(range(len(samples)))
        if weights[lightest] < self.least_weight:
            kept.remove(lightest)
            mixing = torch.eye(len(samples), dtype=weights.dtype, device=weights.device)[kept]
            left = weights[kept]
            return tuple(samples[i] for i in kept), left / left.sum(), mixing @ products @ mixing.T
        norms = products.diagonal()
        distances = norms[:, None] + norms[None] - 2 * products
        distances.fill_diagonal_(torch.inf)
        first, second = sorted(divmod(int(distances.argmin()), len(samples)))
        shares = weights[[first, second]] / weights[[first, second]].sum()
        merged = shares[0] * samples[first] + shares[1] * samples[second]
        kept.remove(second)
        mixing = torch.eye(len(samples), dtype=weights.dtype, device=weights.device)
        mixing[first, first], mixing[first, second] = shares[0], shares[1]
        mixing = mixing[kept]
        total = weights.clone()
        total[first] += total[second]
        return (
            tuple(merged if i == first else samples[i] for i in kept),
            total[kept],
            mixing @ products @ mixing.T,
        )

    # --- filter -----------------------------------------------------------------------------------

    def _penalty(self, label: Tensor, side: int) -> Tensor:
        """Squared spatial weights ``(R, R)`` around cell (0, 0), for spectra that are not divided
        by the number of cells."""
        rows = label.shape[0]
        at = torch.arange(rows, device=label.device)
        distance = torch.where(at > rows // 2, at - rows, at) / (rows * self.target_share / 2)
        radius2 = (distance**2)[:, None] + (distance**2)[None]
        weight = self.penalty_middle + (self.penalty_edge - self.penalty_middle) * radius2
        return (weight * side**2).square().to(label.real.dtype)

    def _solved(self, state: SampleSpaceState, iterations: int) -> Tensor:
        """Filter that fits the label on all samples, from the present one."""
        stack = torch.stack(state.samples)
        weighted = stack.conj() * state.weights[:, None, None, None]
        grid = state.penalty.shape

        def operator(spectrum: Tensor) -> Tensor:
            responses = (stack * spectrum).sum(1, keepdim=True)
            return (weighted * responses).sum(0) + torch.fft.rfft2(
                torch.fft.irfft2(spectrum, s=grid) * state.penalty
            )

        energy = (weighted * stack).real.sum(0)
        smooth = (1 - MEAN_ENERGY) * energy + MEAN_ENERGY * energy.mean(0, keepdim=True)
        preconditioner = (1 - MEAN_PENALTY) * smooth + MEAN_PENALTY * state.penalty.mean()
        right = weighted.sum(0) * state.label
        return conjugate_gradients(operator, right, state.filter, preconditioner, iterations)


def _compact(spectra: Tensor, projection: Tensor, band: int) -> Tensor:
    """Projected low frequencies ``(N, K, R, F)`` of spectra ``(N, C, S, S // 2 + 1)``, each sample
    of mean square 1."""
    cells = spectra.shape[-2] ** 2
    low = low_band(spectra, band)
    compact = torch.einsum('nchf,ck->nkhf', low, projection.to(low.dtype))
    energies = torch.stack([inner(sample, sample) for sample in compact]) / (
        projection.shape[1] * cells**2
    )
    return compact / energies.clamp(min=1e-12).sqrt()[:, None, None, None]
