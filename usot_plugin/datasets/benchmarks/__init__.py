"""Annotated sequences: what a tracker is measured on.

One module a benchmark; its constants are data, its rules live in the protocols."""

from .annotations import AnnotationError, from_origin, parse_boxes_xywh, parse_labels, to_origin
from .base import BenchmarkDataset
from .box_files import BoxFileBenchmark
from .davis import DAVISDataset
from .got10k import GOT10kDataset
from .lasot import LaSOTDataset
from .nfs import NFSDataset
from .otb import OTB100Dataset
from .sequence import AnnotatedSequence
from .sequence_folder import SequenceFolderDataset
from .tcolor128 import TColor128Dataset
from .trackingnet import TrackingNetDataset
from .uav123 import UAV123Dataset
from .vot import VOTDataset

__all__ = [
    'AnnotatedSequence',
    'AnnotationError',
    'BenchmarkDataset',
    'BoxFileBenchmark',
    'DAVISDataset',
    'GOT10kDataset',
    'LaSOTDataset',
    'NFSDataset',
    'OTB100Dataset',
    'SequenceFolderDataset',
    'TColor128Dataset',
    'TrackingNetDataset',
    'UAV123Dataset',
    'VOTDataset',
    'from_origin',
    'parse_boxes_xywh',
    'parse_labels',
    'to_origin',
]
