"""Rule books: how a tracker is driven over an annotated sequence."""

from .base import Protocol
from .got10k import GOT10k, GOT10kResults
from .ope import OPE

__all__ = ['OPE', 'GOT10k', 'GOT10kResults', 'Protocol']
