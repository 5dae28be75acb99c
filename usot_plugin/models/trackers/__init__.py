"""Trackers: what follows a target through a video. State in, state out."""

from .base import Tracker
from .build import build_tracker, needs_model, tracker_label
from .function import FunctionTracker
from .oracle import FailAt, NoisyOracle, Oracle
from .stand_still import StandStill
from .usot import USOTTracker

__all__ = [
    'FailAt',
    'FunctionTracker',
    'NoisyOracle',
    'Oracle',
    'StandStill',
    'Tracker',
    'USOTTracker',
    'build_tracker',
    'needs_model',
    'tracker_label',
]
