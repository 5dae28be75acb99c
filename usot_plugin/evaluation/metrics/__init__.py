"""MMEngine metrics over the functional measures."""

from .got10k_metric import GOT10kMetric
from .sot_metric import SOTMetric
from .submission_only import SubmissionOnly
from .vos_metric import VOSMetric
from .vot_multistart_metric import VOTMultiStartMetric
from .vot_reset_metric import VOTResetMetric

__all__ = [
    'GOT10kMetric',
    'SOTMetric',
    'SubmissionOnly',
    'VOSMetric',
    'VOTMultiStartMetric',
    'VOTResetMetric',
]
