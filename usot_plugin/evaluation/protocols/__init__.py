"""Rule books: how a tracker is driven over an annotated sequence."""

from .base import Protocol
from .got10k import GOT10k, GOT10kResults
from .ope import OPE
from .vos import VOS, VOSResults
from .vot_multistart import VOTMultiStart
from .vot_reset import VOTReset

__all__ = [
    'OPE',
    'GOT10k',
    'GOT10kResults',
    'Protocol',
    'VOS',
    'VOSResults',
    'VOTMultiStart',
    'VOTReset',
]
