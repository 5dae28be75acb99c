"""MMEngine metrics over the functional measures."""

from .sot_metric import SOTMetric

__all__ = ['SOTMetric']
