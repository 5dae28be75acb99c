"""Training hooks."""

from .frozen_backbone import FrozenBackboneHook
from .hard_negative_mining import HardNegativeMiningHook
from .non_finite_loss import NonFiniteLossError, NonFiniteLossHook
from .run_record import RunRecordHook
from .runtime_info import SOTRuntimeInfoHook
from .safe_checkpoint import SafeCheckpointHook
from .sot_visualization import SOTVisualizationHook
from .tensor_float32 import TensorFloat32Hook
from .time_budget import ChannelsLastHook, TimeBudgetHook
from .training_stage import TrainingStageHook
from .used_parameters import UsedParametersHook

__all__ = [
    'ChannelsLastHook',
    'FrozenBackboneHook',
    'HardNegativeMiningHook',
    'NonFiniteLossError',
    'NonFiniteLossHook',
    'RunRecordHook',
    'SOTRuntimeInfoHook',
    'SOTVisualizationHook',
    'SafeCheckpointHook',
    'TimeBudgetHook',
    'TensorFloat32Hook',
    'TrainingStageHook',
    'UsedParametersHook',
]
