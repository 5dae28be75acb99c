"""Annotated sequences: what a tracker is measured on. One module a benchmark; its constants are data, its rules live in the protocols."""

from .annotations import AnnotationError, parse_boxes_xywh, parse_labels
from .base import BenchmarkDataset
from .sequence import AnnotatedSequence
from .sequence_folder import SequenceFolderDataset

__all__ = ['AnnotatedSequence', 'AnnotationError', 'BenchmarkDataset', 'SequenceFolderDataset', 'parse_boxes_xywh', 'parse_labels']
