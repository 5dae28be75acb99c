"""Trackers: what follows a target through a video. State in, state out."""

from .base import Tracker
from .build import build_tracker, needs_model
from .stand_still import StandStill
from .usot import USOTTracker

__all__ = ['StandStill', 'Tracker', 'USOTTracker', 'build_tracker', 'needs_model']
