"""Rendered clips and composites of real video, both with exact boxes."""

from .clips import render_clip, visible_boxes, write_clip, write_sequence

__all__ = ['render_clip', 'visible_boxes', 'write_clip', 'write_sequence']
