"""USOT's anchor-free head with an off-line and a memory branch."""

from __future__ import annotations

from torch import nn

from usot_plugin.registry import MODELS

from .anchor_free import AnchorFreeHead, HeadCodes
from .multi_scale import MultiScaleCorrelation, MultiScaleEncoder

__all__ = ['HeadCodes', 'USOTHead']


@MODELS.register_module()
class USOTHead(AnchorFreeHead):
    """Classification and box regression from multi-scale correlation, plus classification from a
    memory queue.

    Args:
        **kwargs: As for :class:`AnchorFreeHead`.

    Reference:
        USOT (arXiv:2108.12711), Fig. 4 and Eq. 8.
    """

    @staticmethod
    def make_encoder(channels: int) -> nn.Module:
        """Three receptive fields."""
        return MultiScaleEncoder(channels)

    @staticmethod
    def make_correlation() -> nn.Module:
        """A learned mean over the three."""
        return MultiScaleCorrelation()
