"""MMEngine metrics over the functional measures."""

from .got10k_metric import GOT10kMetric
from .sot_metric import SOTMetric
from .vos_metric import VOSMetric

__all__ = ['GOT10kMetric', 'SOTMetric', 'VOSMetric']
