"""Training: schedules, hooks, optimizer wrappers and the start of distributed runs."""

from .hooks import (
    FrozenBackboneHook,
    HardNegativeMiningHook,
    NonFiniteLossError,
    NonFiniteLossHook,
    RunRecordHook,
    SafeCheckpointHook,
    SOTVisualizationHook,
    TensorFloat32Hook,
    TrainingStageHook,
    UsedParametersHook,
)
from .optim_wrappers import AutocastOptimWrapper, PartwiseOptimWrapperConstructor
from .schedulers import LogSpaceLR
from .strategies import ResumableFSDPStrategy
from .training_loops import ResumableEpochLoop

__all__ = [
    'AutocastOptimWrapper',
    'FrozenBackboneHook',
    'HardNegativeMiningHook',
    'LogSpaceLR',
    'NonFiniteLossError',
    'NonFiniteLossHook',
    'PartwiseOptimWrapperConstructor',
    'ResumableEpochLoop',
    'ResumableFSDPStrategy',
    'RunRecordHook',
    'SOTVisualizationHook',
    'SafeCheckpointHook',
    'TensorFloat32Hook',
    'TrainingStageHook',
    'UsedParametersHook',
]
