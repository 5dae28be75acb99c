"""Training groups from clips, annotated benchmark sequences, and rendered clips."""

from . import benchmarks, transforms
from .annotated_boxes import AnnotatedBoxes
from .annotated_masks import AnnotatedFirstMasks, AnnotatedMasks
from .box_sources import BoxSource, CentreBoxes, ClipBoxes, DiscoveredBoxes, RandomBoxes
from .coco_video import CocoVIDDataset, CocoVideoBoxes
from .crop_store import CropStoreError, CropStoreWriter, StoreConfig, StoredCrops
from .frame_samplers import FrameSampler, NoFrameError, QualityFrames, WindowFrames
from .hard_negatives import HardNegativePairs
from .mined_pairs import MinedChain, MinedPairFrames
from .mixture import QuotaMixture
from .picture_boxes import EntropyBoxes, PictureBoxes, SaliencyBoxes
from .pseudo_box_dataset import NoSampleError, PseudoBoxDataset
from .release_crops import ReleaseBoxes, USOTCropDataset
from .track import Track

__all__ = [
    'AnnotatedBoxes',
    'AnnotatedFirstMasks',
    'AnnotatedMasks',
    'BoxSource',
    'CentreBoxes',
    'ClipBoxes',
    'CocoVIDDataset',
    'CocoVideoBoxes',
    'CropStoreError',
    'CropStoreWriter',
    'DiscoveredBoxes',
    'EntropyBoxes',
    'FrameSampler',
    'HardNegativePairs',
    'MinedChain',
    'MinedPairFrames',
    'NoFrameError',
    'NoSampleError',
    'PictureBoxes',
    'PseudoBoxDataset',
    'QualityFrames',
    'QuotaMixture',
    'RandomBoxes',
    'ReleaseBoxes',
    'SaliencyBoxes',
    'StoreConfig',
    'StoredCrops',
    'Track',
    'USOTCropDataset',
    'WindowFrames',
    'benchmarks',
    'transforms',
]
