"""Training groups from clips, annotated benchmark sequences, and rendered clips."""

from . import benchmarks, transforms
from .boxes.annotated_boxes import AnnotatedBoxes
from .boxes.annotated_masks import AnnotatedFirstMasks, AnnotatedMasks
from .boxes.box_sources import BoxSource, CentreBoxes, ClipBoxes, DiscoveredBoxes, RandomBoxes
from .boxes.picture_boxes import EntropyBoxes, PictureBoxes, SaliencyBoxes
from .coco_video import CocoVIDDataset, CocoVideoBoxes, boxes_by_video
from .frames.crop_store import CropStoreError, CropStoreWriter, StoreConfig, StoredCrops
from .hard_negatives import HardNegativePairs
from .mixture import QuotaMixture
from .pseudo_box_dataset import NoSampleError, PseudoBoxDataset
from .release_crops import ReleaseBoxes, USOTCropDataset
from .samplers.frame_samplers import FrameSampler, NoFrameError, QualityFrames, WindowFrames
from .samplers.mined_pairs import MinedChain, MinedPairFrames
from .synthetic.composite_groups import CompositeDataset, stack_groups
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
    'CompositeDataset',
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
    'boxes_by_video',
    'stack_groups',
    'transforms',
]
