"""Training hooks."""

from .frozen_backbone import FrozenBackboneHook
from .hard_negative_mining import HardNegativeMiningHook
from .non_finite_loss import NonFiniteLossError, NonFiniteLossHook
from .run_record import RunRecordHook
from .safe_checkpoint import SafeCheckpointHook
from .sot_visualization import SOTVisualizationHook
from .training_stage import TrainingStageHook

__all__ = [
    'FrozenBackboneHook',
    'HardNegativeMiningHook',
    'NonFiniteLossError',
    'NonFiniteLossHook',
    'RunRecordHook',
    'SOTVisualizationHook',
    'SafeCheckpointHook',
    'TrainingStageHook',
]
