"""Boxes, clips and trajectories: plain data that every other room builds on."""

from .clip import ArrayClip, Clip, ClipError, FolderClip, open_clip
from .pseudo_track import PseudoTrack
from .trajectory import Prediction, Trajectory
from .video_clip import VideoClip

__all__ = [
    'ArrayClip',
    'Clip',
    'ClipError',
    'FolderClip',
    'Prediction',
    'PseudoTrack',
    'Trajectory',
    'VideoClip',
    'open_clip',
]
