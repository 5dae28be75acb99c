"""Pseudo boxes in the annotation formats of other toolboxes."""

from .export import EXPORTERS, ExportError, ExportReport, export_table
from .selection import ExportClip, ExportTrack, select_clips

__all__ = [
    'EXPORTERS',
    'ExportClip',
    'ExportError',
    'ExportReport',
    'ExportTrack',
    'export_table',
    'select_clips',
]
