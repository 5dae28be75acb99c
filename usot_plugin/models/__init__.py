"""Networks and losses."""

from .backbones.alexnet import SiamFCAlexNet
from .backbones.ciresnet import CIResNet
from .backbones.dcfnet import DCFNetBackbone
from .backbones.host_adapter import HostBackbone
from .backbones.mobile import EfficientNetLite0Backbone, MobileNetV2Backbone
from .backbones.siamese_resnet import SiameseResNet
from .backbones.staged_resnet import StagedSiameseResNet
from .base_sot import BaseSOTModel
from .cyclesiam import CycleSiam
from .data_preprocessor import SOTDataPreprocessor
from .heads.depthwise_head import DepthwiseHead
from .heads.mask_head import SiamMaskHead, SiamMaskRefiner
from .heads.pixelwise_head import PixelwiseHead
from .heads.rpn_head import SiamRPNHead
from .heads.usot_head import USOTHead
from .losses.anti_clutter import AntiClutterLoss, PairwiseBCELoss
from .losses.balanced_bce import BalancedBCELoss
from .losses.consistency import ConsistencyLoss
from .losses.host_losses import HostBoxLoss, HostMapLoss
from .losses.instance_contrast import InstanceContrastLoss
from .losses.iou_loss import LTRBIoULoss
from .losses.noise_robust import NoiseRobustLoss
from .losses.overlap_focal import OverlapFocalLoss
from .necks.adjust import AdjustNeck
from .necks.cycle_memory import CycleMemoryNeck
from .pul import BackgroundDiscriminator, NoiseRobustSiamFC
from .s2siamfc import S2SiamFC
from .siamfc import SiamFC
from .siamrpn import SiamRPN
from .udt import UDT, DCFNet
from .usot import USOT

__all__ = [
    'AdjustNeck',
    'AntiClutterLoss',
    'BackgroundDiscriminator',
    'BalancedBCELoss',
    'BaseSOTModel',
    'CIResNet',
    'ConsistencyLoss',
    'CycleSiam',
    'CycleMemoryNeck',
    'DCFNet',
    'DCFNetBackbone',
    'DepthwiseHead',
    'EfficientNetLite0Backbone',
    'HostBackbone',
    'HostBoxLoss',
    'HostMapLoss',
    'InstanceContrastLoss',
    'LTRBIoULoss',
    'MobileNetV2Backbone',
    'NoiseRobustLoss',
    'NoiseRobustSiamFC',
    'PairwiseBCELoss',
    'PixelwiseHead',
    'OverlapFocalLoss',
    'S2SiamFC',
    'SOTDataPreprocessor',
    'SiamFC',
    'SiamFCAlexNet',
    'SiamMaskHead',
    'SiamMaskRefiner',
    'SiamRPN',
    'SiamRPNHead',
    'SiameseResNet',
    'StagedSiameseResNet',
    'UDT',
    'USOT',
    'USOTHead',
]
