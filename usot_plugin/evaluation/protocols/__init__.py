"""Rule books: how a tracker is driven over an annotated sequence."""

from .base import Protocol
from .ope import OPE

__all__ = ['OPE', 'Protocol']
