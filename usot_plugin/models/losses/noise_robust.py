"""Response loss that knows its labels are off: the target is near the mined centre, and cells err
together.

The true centre is the mined one plus Gaussian noise of variance ``alpha`` on each axis, the wanted
response a Gaussian of variance ``beta`` around the true centre. With ``q = x - mined centre`` the
mean and the second moment of the wanted response at cells ``x`` and ``x'`` are

    mu(x)      = beta / (alpha + beta) exp(-|q|^2 / (2 (alpha + beta)))
    E[y(x) y(x')] = exp(-|x - x'|^2 / (4 beta)) beta / (2 alpha + beta)
                    exp(-|(q + q') / 2|^2 / (2 alpha + beta))

Both are products of a function of the columns and one of the rows, which makes the general case
cheap. The idea is that of PUL (CVPR 2021, Sec. 1); its formulas were not at hand, these are derived
anew and tested against Monte-Carlo.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from usot_plugin.registry import MODELS

#: A mined centre this near to the middle of the crop counts as centred.
CENTRED_WITHIN_PX = 1e-3


def noisy_label_mean(offsets_px: Tensor, alpha_px2: float, beta_px2: float) -> Tensor:
    """``mu`` of the cells of a map.

    Args:
        offsets_px: ``(..., 2, n)`` x of the columns and y of the rows, counted from the mined
            centre; nan for a target that is absent.
        alpha_px2: Variance of the mined centre on each axis.
        beta_px2: Variance of the label's Gaussian.

    Returns:
        ``(..., n, n)``, rows are y; 0 for an absent target.
    """
    total = alpha_px2 + beta_px2
    x, y = torch.exp(-offsets_px.square() / (2 * total)).nan_to_num(0.0).unbind(-2)
    return beta_px2 / total * y.unsqueeze(-1) * x.unsqueeze(-2)


def _second_moment_factors(
    offsets_px: Tensor, alpha_px2: float, beta_px2: float
) -> tuple[Tensor, Tensor]:
    """``(..., n, n)`` factors of the columns and of the rows, whose Kronecker product (rows first)
    is ``E[y y']``."""
    spread = 2 * alpha_px2 + beta_px2
    one = offsets_px.unsqueeze(-1)
    other = offsets_px.unsqueeze(-2)
    exponent = (one - other).square() / (4 * beta_px2) + ((one + other) / 2).square() / spread
    x, y = ((beta_px2 / spread) ** 0.5 * torch.exp(-exponent)).nan_to_num(0.0).unbind(-3)
    return x, y


def noisy_label_covariance(offsets_px: Tensor, alpha_px2: float, beta_px2: float) -> Tensor:
    """``Sigma = E[y y'] - mu mu^T``, ``(..., n * n, n * n)``, cells in rows of the map; arguments
    as in :func:`noisy_label_mean`."""
    x, y = _second_moment_factors(offsets_px, alpha_px2, beta_px2)
    mean = noisy_label_mean(offsets_px, alpha_px2, beta_px2).flatten(-2)
    moment = y[..., :, None, :, None] * x[..., None, :, None, :]
    return moment.flatten(-4, -3).flatten(-2) - mean.unsqueeze(-1) * mean.unsqueeze(-2)


def inverse_quadratic_form(
    error: Tensor, offsets_px: Tensor, alpha_px2: float, beta_px2: float, ridge: float
) -> Tensor:
    """``e^T (Sigma + ridge I)^-1 e`` without a matrix larger than ``n x n``.

    The Kronecker product is diagonal in the product of the factors' eigenvectors, and ``mu mu^T``
    is taken off by Sherman and Morrison.

    Args:
        error: ``(..., n, n)``.
        offsets_px: ``(..., 2, n)``, see :func:`noisy_label_mean`.
        alpha_px2, beta_px2: Variances.
        ridge: ``rho``.

    Returns:
        ``(...)``.
    """
    factors = torch.stack(_second_moment_factors(offsets_px, alpha_px2, beta_px2), -3)
    values, vectors = torch.linalg.eigh(factors)
    scales = values[..., 1, :, None].clamp(min=0) * values[..., 0, None, :].clamp(min=0) + ridge

    def rotated(maps: Tensor) -> Tensor:
        return vectors[..., 1, :, :].mT @ maps @ vectors[..., 0, :, :]

    e = rotated(error)
    mu = rotated(noisy_label_mean(offsets_px, alpha_px2, beta_px2))
    plain, cross, own = ((a * b / scales).sum((-2, -1)) for a, b in ((e, e), (e, mu), (mu, mu)))
    return plain + cross.square() / (1 - own)


def centred_offsets(cells: int, stride: int, dtype: torch.dtype = torch.float64) -> Tensor:
    """``(2, cells)`` offsets of a map whose middle cell is the mined centre, in pixels of the
    search crop."""
    return (stride * (torch.arange(cells, dtype=dtype) - (cells - 1) / 2)).expand(2, -1)


@MODELS.register_module()
class NoiseRobustLoss(nn.Module):
    """Negative log-likelihood of a response map under spatial noise of its label, without the
    constant.

    ``1/2 (r - mu)^T (Sigma + rho I)^-1 (r - mu) / cells``: a peak that is moved as a noisy centre
    would move it costs little, one that has another shape costs much. With ``alpha_px2=0`` the
    covariance vanishes and the loss is the mean squared error over ``2 rho``.

    Args:
        alpha_px2: Variance of the mined centre on each axis, pixels of the search crop; None: to be
            estimated from the mined pairs.
        beta_px2: Variance of the label's Gaussian.
        ridge: ``rho``, variance of what the model does not explain. Neighbouring cells are so alike
            that ``Sigma`` alone is singular.
        centred: ``dict(cells=15, stride=8)`` keeps the inverse for a target in the middle of the
            search crop as a constant buffer.
        loss_weight: Factor on the loss; ``2 * ridge`` gives it the size of a mean squared error.

    Raises:
        ValueError: A variance is impossible.

    Reference:
        Wu, Wan, Chan: Progressive Unsupervised Learning for Visual Object Tracking, CVPR 2021, Sec.
            1; formulas: see above.
    """

    centred_inverse: Tensor | None
    centred_offsets: Tensor | None

    def __init__(
        self,
        alpha_px2: float | None = None,
        beta_px2: float = 64.0,
        ridge: float = 1e-2,
        centred: dict | None = None,
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__()
        if (
            (alpha_px2 is not None and not 0 <= alpha_px2 < float('inf'))
            or beta_px2 <= 0
            or ridge <= 0
        ):
            raise ValueError(
                'NoiseRobustLoss: alpha_px2 is at least 0, beta_px2 and ridge above it, got '
                f'{alpha_px2}, {beta_px2}, {ridge}'
            )
        self.alpha_px2 = alpha_px2
        self.beta_px2 = beta_px2
        self.ridge = ridge
        self.loss_weight = loss_weight
        self.register_buffer('centred_inverse', None, persistent=False)
        self.register_buffer('centred_offsets', None, persistent=False)
        if centred is not None and alpha_px2 is not None:
            offsets = centred_offsets(**centred)
            covariance = noisy_label_covariance(offsets, alpha_px2, beta_px2)
            self.centred_offsets = offsets.clone()
            self.centred_inverse = torch.linalg.inv(
                covariance + ridge * torch.eye(len(covariance), dtype=covariance.dtype)
            )

    def _constant(self, offsets_px: Tensor) -> Tensor | None:
        """The kept inverse, if all targets are centred."""
        known = self.centred_offsets
        if known is None or known.shape != offsets_px.shape[1:]:
            return None
        return (
            self.centred_inverse
            if bool(((offsets_px - known).abs() < CENTRED_WITHIN_PX).all())
            else None
        )

    def forward(self, responses: Tensor, offsets_px: Tensor) -> Tensor:
        """Mean over the pairs.

        Args:
            responses: ``(B, n, n)``.
            offsets_px: ``(B, 2, n)`` x of the columns and y of the rows, counted from the mined
                centre, pixels of the search crop; nan for an absent target, whose map is asked to
                be 0.

        Raises:
            ValueError: ``alpha_px2`` was never set.
        """
        if self.alpha_px2 is None:
            raise ValueError(
                'NoiseRobustLoss: alpha_px2 is not known; set it, or let tools/train_pul.py '
                'estimate it from the mined pairs'
            )
        offsets = offsets_px.detach().double()  # the smallest eigenvalues drown in float32
        error = responses.double() - noisy_label_mean(offsets, self.alpha_px2, self.beta_px2)
        inverse = self._constant(offsets)
        if inverse is None:
            form = inverse_quadratic_form(error, offsets, self.alpha_px2, self.beta_px2, self.ridge)
        else:
            flat = error.flatten(1)
            form = (flat @ inverse.double() * flat).sum(1)
        loss = 0.5 * form.mean() / error[0].numel()
        return self.loss_weight * loss.to(torch.promote_types(responses.dtype, torch.float32))
