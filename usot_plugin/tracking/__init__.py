"""Trackers: what follows a target through a video. State in, state out."""

from . import multi_object
from .base import Tracker
from .build import build_tracker, needs_model, tracker_label
from .known_answers.function import FunctionTracker
from .known_answers.oracle import FailAt, NoisyOracle, Oracle
from .known_answers.stand_still import StandStill
from .siamfc.tracker import SiamFCTracker
from .siamrpn.tracker import SiamRPNTracker
from .udt.online_filter import LinearUpdate
from .udt.sample_space import SampleSpaceUpdate
from .udt.scale_filter import ScaleFilter
from .udt.tracker import UDTTracker
from .usot.tracker import USOTTracker

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
    'multi_object',
    'needs_model',
    'tracker_label',
]
