"""Overlays, videos and plots, all without a display."""

from .overlay import draw_targets, target_color
from .plots import plot_reports
from .video_writer import VideoWriteError, VideoWriter

__all__ = ['VideoWriteError', 'VideoWriter', 'draw_targets', 'plot_reports', 'target_color']
