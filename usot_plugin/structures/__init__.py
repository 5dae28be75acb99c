"""Boxes, clips and trajectories: plain data that every other room builds on."""

from .clip import ArrayClip, Clip, ClipError, FolderClip, VideoClip, open_clip
from .pseudo_track import PseudoTrack
from .trajectory import Prediction, Trajectory

__all__ = ['ArrayClip', 'Clip', 'ClipError', 'FolderClip', 'Prediction', 'PseudoTrack', 'Trajectory', 'VideoClip', 'open_clip']
