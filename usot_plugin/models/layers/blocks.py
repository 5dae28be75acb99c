"""Small conv blocks that several nets share."""

from __future__ import annotations

from torch import nn


def conv_bn(
    in_channels: int,
    out_channels: int,
    kernel: int,
    stride: int = 1,
    padding: int = 0,
    dilation: int | tuple[int, int] = 1,
    bias: bool = False,
    relu: bool = True,
) -> nn.Sequential:
    """Convolution, batch norm and, unless told otherwise, ReLU: children 0, 1 and 2."""
    layers: list[nn.Module] = [
        nn.Conv2d(
            in_channels,
            out_channels,
            kernel,
            stride=stride,
            padding=padding,
            dilation=dilation,
            bias=bias,
        ),
        nn.BatchNorm2d(out_channels),
    ]
    if relu:
        layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers)
