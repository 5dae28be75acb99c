"""Moving objects of unlabeled video: from a clip to pseudo tracks."""

from .config import DiscoveryConfig
from .discover import NoMovingObjectError, discover
from .flow import ARFlow, CallableFlow, DISFlow, FarnebackFlow, FlowEstimator, build_flow
from .quality import drop_reason, is_kept, is_samplable
from .reasons import Reason

__all__ = [
    'ARFlow',
    'CallableFlow',
    'DISFlow',
    'DiscoveryConfig',
    'FarnebackFlow',
    'FlowEstimator',
    'NoMovingObjectError',
    'Reason',
    'build_flow',
    'discover',
    'drop_reason',
    'is_kept',
    'is_samplable',
]
