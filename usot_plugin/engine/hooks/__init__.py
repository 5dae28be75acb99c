"""Training hooks."""

from .frozen_backbone import FrozenBackboneHook
from .hard_negative_mining import HardNegativeMiningHook
from .non_finite_loss import NonFiniteLossError, NonFiniteLossHook
from .sot_visualization import SOTVisualizationHook
from .training_stage import TrainingStageHook

__all__ = [
    'FrozenBackboneHook',
    'HardNegativeMiningHook',
    'NonFiniteLossError',
    'NonFiniteLossHook',
    'SOTVisualizationHook',
    'TrainingStageHook',
]
