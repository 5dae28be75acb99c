"""Overlays, videos and plots, all without a display."""

from .overlay import draw_targets, target_color
from .plots import draw_curves
from .video_writer import VideoWriteError, VideoWriter

__all__ = ['VideoWriteError', 'VideoWriter', 'draw_curves', 'draw_targets', 'target_color']
