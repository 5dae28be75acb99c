"""Trackers: what follows a target through a video. State in, state out."""

from .base import Tracker
from .build import build_tracker, needs_model, tracker_label
from .function import FunctionTracker
from .oracle import FailAt, NoisyOracle, Oracle
from .siamfc import SiamFCTracker
from .siamrpn import SiamRPNTracker
from .stand_still import StandStill
from .udt import UDTTracker
from .udt_online import LinearUpdate
from .udt_samples import SampleSpaceUpdate
from .udt_scale import ScaleFilter
from .usot import USOTTracker

__all__ = [
    'FailAt',
    'FunctionTracker',
    'LinearUpdate',
    'NoisyOracle',
    'Oracle',
    'SiamFCTracker',
    'SiamRPNTracker',
    'SampleSpaceUpdate',
    'ScaleFilter',
    'StandStill',
    'Tracker',
    'UDTTracker',
    'USOTTracker',
    'build_tracker',
    'needs_model',
    'tracker_label',
]
