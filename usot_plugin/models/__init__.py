"""Networks, losses and trackers."""

from .backbones.siamese_resnet import SiameseResNet
from .base_sot import BaseSOTModel
from .data_preprocessor import SOTDataPreprocessor
from .heads.usot_head import USOTHead
from .losses.balanced_bce import BalancedBCELoss
from .losses.iou_loss import LTRBIoULoss
from .necks.adjust import AdjustNeck
from .necks.cycle_memory import CycleMemoryNeck
from .usot import USOT

__all__ = [
    'AdjustNeck',
    'BalancedBCELoss',
    'BaseSOTModel',
    'CycleMemoryNeck',
    'LTRBIoULoss',
    'SOTDataPreprocessor',
    'SiameseResNet',
    'USOT',
    'USOTHead',
]
