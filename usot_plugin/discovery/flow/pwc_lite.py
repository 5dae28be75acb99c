"""PWC-Lite, the network of ARFlow, in plain PyTorch.

Module names and shapes are those of the checkpoints that ARFlow's authors publish, so these load.
Legend: ``B`` batch, ``C`` channels, ``H, W`` height and width of a pyramid level, ``K = 81``
displacements of the correlation.
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

#: Channels of the pyramid, from the image down to 1/64 of its size.
PYRAMID_CHANNELS = (3, 16, 32, 64, 96, 128, 192)
#: The correlation looks this far in every direction, in pixels of the level.
SEARCH_RADIUS = 4
#: Levels that estimate flow: 1/64, 1/32, 1/16, 1/8 and 1/4 of the image.
FLOW_LEVELS = 5
#: Input sides must be multiples of this.
SIZE_MULTIPLE = 64

_MATCH_CHANNELS = (2 * SEARCH_RADIUS + 1) ** 2
_EMBEDDED_CHANNELS = 32


def correlate_patches(features0: Tensor, features1: Tensor, radius: int = SEARCH_RADIUS) -> Tensor:
    """Mean product of each feature with the features around the same place in the other map.

    Args:
        features0: ``(B, C, H, W)``.
        features1: ``(B, C, H, W)``, zero outside.
        radius: Largest displacement on each axis.

    Returns:
        ``(B, K, H, W)`` with ``K = (2 radius + 1)^2``; channel ``(dy + radius) (2 radius + 1) + dx
        + radius`` belongs to ``(dx, dy)``.

    Reference:
        PWC-Net (arXiv:1709.02371), Eq. 2.
    """
    height, width = features0.shape[-2:]
    padded = F.pad(features1, [radius] * 4)
    rows = []
    for top in range(2 * radius + 1):
        shifted = padded[:, :, top : top + height].unfold(
            3, width, 1
        )  # (B, C, H, 2 radius + 1, W), a view
        rows.append((features0.unsqueeze(3) * shifted).mean(1).transpose(1, 2))
    return torch.cat(rows, dim=1)


def warp(features: Tensor, flow_uv: Tensor) -> Tensor:
    """Fetch each place's feature from where its flow points to, bilinearly; outside, the border's
    feature.

    Args:
        features: ``(B, C, H, W)``.
        flow_uv: ``(B, 2, H, W)`` in pixels of this level.
    """
    height, width = features.shape[-2:]
    x = torch.arange(width, device=features.device, dtype=features.dtype)
    y = torch.arange(height, device=features.device, dtype=features.dtype)
    x = (x + flow_uv[:, 0]) * (2 / max(width - 1, 1)) - 1
    y = (y[:, None] + flow_uv[:, 1]) * (2 / max(height - 1, 1)) - 1
    return F.grid_sample(
        features, torch.stack([x, y], dim=-1), padding_mode='border', align_corners=True
    )


def _enlarge(flow_uv: Tensor, factor: int) -> Tensor:
    return F.interpolate(flow_uv * factor, scale_factor=factor, mode='bilinear', align_corners=True)


def _conv(
    channels_in: int,
    channels_out: int,
    kernel: int = 3,
    stride: int = 1,
    dilation: int = 1,
    active: bool = True,
) -> nn.Sequential:
    padding = (kernel - 1) * dilation // 2
    layers: list[nn.Module] = [
        nn.Conv2d(channels_in, channels_out, kernel, stride, padding, dilation)
    ]
    return nn.Sequential(*layers, nn.LeakyReLU(0.1)) if active else nn.Sequential(*layers)


class FeaturePyramid(nn.Module):
    """Six levels of features, each half the size of the one before."""

    def __init__(self) -> None:
        super().__init__()
        pairs = pairwise(PYRAMID_CHANNELS)
        self.convs = nn.ModuleList(
            nn.Sequential(_conv(c_in, c_out, stride=2), _conv(c_out, c_out))
            for c_in, c_out in pairs
        )

    def forward(self, image: Tensor) -> list[Tensor]:
        """``(B, 3, H, W)`` -> the levels from the coarsest (1/64) to the finest (1/2)."""
        levels = []
        for block in self.convs:
            image = block(image)
            levels.append(image)
        return levels[::-1]


class ReducedEstimator(nn.Module):
    """Flow decoder that keeps the outputs of its last two layers only (``reduce_dense`` of
    ARFlow)."""

    feature_channels = 32

    def __init__(self, channels_in: int) -> None:
        super().__init__()
        self.conv1 = _conv(channels_in, 128)
        self.conv2 = _conv(128, 128)
        self.conv3 = _conv(256, 96)
        self.conv4 = _conv(224, 64)
        self.conv5 = _conv(160, 32)
        self.predict_flow = _conv(96, 2, active=False)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """``(B, channels_in, H, W)`` -> features ``(B, 32, H, W)`` and a flow update ``(B, 2, H,
        W)``."""
        older = self.conv1(x)
        newer = self.conv2(older)
        for layer in (self.conv3, self.conv4, self.conv5):
            older, newer = newer, layer(torch.cat([older, newer], dim=1))
        return newer, self.predict_flow(torch.cat([older, newer], dim=1))


class DenseEstimator(nn.Module):
    """Flow decoder that feeds every layer with all earlier ones, as PWC-Net's."""

    def __init__(self, channels_in: int) -> None:
        super().__init__()
        widths = (128, 128, 96, 64, 32)
        for number, width in enumerate(widths, start=1):
            self.add_module(f'conv{number}', _conv(channels_in, width))
            channels_in += width
        self.feature_channels = channels_in
        self.conv_last = _conv(channels_in, 2, active=False)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """``(B, channels_in, H, W)`` -> features ``(B, channels_in + 448, H, W)`` and a flow update
        ``(B, 2, H, W)``."""
        for number in range(1, 6):
            x = torch.cat([self.get_submodule(f'conv{number}')(x), x], dim=1)
        return x, self.conv_last(x)


class ContextNetwork(nn.Module):
    """Dilated convolutions that refine the flow of one level."""

    def __init__(self, channels_in: int) -> None:
        super().__init__()
        widths, dilations = (128, 128, 128, 96, 64, 32), (1, 2, 4, 8, 16, 1)
        layers = []
        for width, dilation in zip(widths, dilations, strict=True):
            layers.append(_conv(channels_in, width, dilation=dilation))
            channels_in = width
        self.convs = nn.Sequential(*layers, _conv(channels_in, 2, active=False))

    def forward(self, x: Tensor) -> Tensor:
        """``(B, channels_in, H, W)`` -> a flow update ``(B, 2, H, W)``."""
        return self.convs(x)


class PWCLite(nn.Module):
    """Flow from an image to its follower, from two images or (multi-view) three.

    Args:
        frames: 2, or 3 for the multi-view network that also sees the image before and estimates
            both directions at once.
        reduced: The decoder with fewer connections, which all published checkpoints have.

    Reference:
        Liu et al., Learning by Analogy: Reliable Supervision from Transformations for Unsupervised
        Optical Flow Estimation (ARFlow, arXiv:2003.13045), Sec. 3.
    """

    def __init__(self, frames: int = 2, reduced: bool = True) -> None:
        super().__init__()
        if frames not in (2, 3):
            raise ValueError(f'PWCLite sees 2 or 3 frames, got {frames}')
        self.frames = frames
        self.feature_pyramid_extractor = FeaturePyramid()
        channels_in = _EMBEDDED_CHANNELS + (_MATCH_CHANNELS + 2) * (frames - 1)
        self.flow_estimators = (
            ReducedEstimator(channels_in) if reduced else DenseEstimator(channels_in)
        )
        self.context_networks = ContextNetwork(
            (self.flow_estimators.feature_channels + 2) * (frames - 1)
        )
        self.conv_1x1 = nn.ModuleList(
            _conv(c, _EMBEDDED_CHANNELS, kernel=1) for c in PYRAMID_CHANNELS[:1:-1]
        )

    def forward(self, image0: Tensor, image1: Tensor, before: Tensor | None = None) -> Tensor:
        """Flow from ``image0`` to ``image1``.

        Args:
            image0: RGB in [0, 1], ``(B, 3, H, W)``, both sides multiples of 64.
            image1: The later image, same shape.
            before: The earlier image, for the three-frame network only.

        Returns:
            ``(B, 2, H, W)`` in pixels: right, down.
        """
        neighbours = [image1] if self.frames == 2 else [before, image1]
        if any(image is None for image in neighbours):
            raise ValueError('the three-frame PWCLite needs the image before')
        pyramid = self.feature_pyramid_extractor(image0)
        others = [self.feature_pyramid_extractor(image) for image in neighbours]
        flows = [pyramid[0].new_zeros(len(image0), 2, *pyramid[0].shape[-2:]) for _ in neighbours]
        for level in range(FLOW_LEVELS):
            if level:
                flows = [_enlarge(flow, 2) for flow in flows]
            flows = self._refine(level, pyramid[level], [other[level] for other in others], flows)
        return _enlarge(flows[-1], 4)

    def _refine(
        self, level: int, features: Tensor, others: list[Tensor], flows: list[Tensor]
    ) -> list[Tensor]:
        """The flows of one level, from those of the level above."""
        matches = [
            F.leaky_relu(correlate_patches(features, warp(other, flow) if level else other), 0.1)
            for other, flow in zip(others, flows, strict=True)
        ]
        embedded = self.conv_1x1[level](features)
        if self.frames == 2:
            inner, update = self.flow_estimators(torch.cat([matches[0], embedded, flows[0]], dim=1))
            flow = flows[0] + update
            return [flow + self.context_networks(torch.cat([inner, flow], dim=1))]
        # One set of weights serves both directions: each sees itself first and the other one
        # mirrored.
        decoded = [
            self.flow_estimators(
                torch.cat([embedded, matches[i], matches[1 - i], flows[i], -flows[1 - i]], dim=1)
            )
            for i in (0, 1)
        ]
        flows = [flow + update for flow, (_, update) in zip(flows, decoded, strict=True)]
        inner = [features for features, _ in decoded]
        return [
            flows[i]
            + self.context_networks(
                torch.cat([inner[i], inner[1 - i], flows[i], -flows[1 - i]], dim=1)
            )
            for i in (0, 1)
        ]
